-- The inbox of a service: which events each of its consumers has handled (EV-04). A row is written in the handler's
-- own transaction, so that an event and its effect are committed together or not at all.

CREATE TABLE inbox (
    consumer    text        NOT NULL,
    event_id    uuid        NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, event_id)
);
COMMENT ON TABLE inbox IS 'Events handled, by consumer; kept at least 40 days, longer than a stream may redeliver them.';
CREATE INDEX inbox_recorded_at ON inbox USING brin (recorded_at) WITH (autosummarize = on, pages_per_range = 32);

-- Deletes up to 10,000 rows older than 40 days and says how many: call it until it says 0.
CREATE FUNCTION inbox_purge() RETURNS int
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    purged int;
BEGIN
    DELETE FROM inbox WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM inbox WHERE recorded_at < clock_timestamp() - interval '40 days'
        LIMIT 10000 FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$$;

REVOKE ALL ON FUNCTION inbox_purge() FROM PUBLIC;
REVOKE ALL ON inbox FROM PUBLIC, {service_role};
GRANT SELECT, INSERT ON inbox TO {service_role};
GRANT EXECUTE ON FUNCTION inbox_purge() TO {service_role};
