-- The audit log: entries in gap-free positions, and what keeps them so.
--
-- include: yoyaku.messaging:sql/outbox.sql
-- include: yoyaku.messaging:sql/leadership.sql

-- One row an event, partitioned by the month in which it was recorded (UTC). Never changed, never deleted:
-- a sealed month leaves by DROP of its partition, which the service role cannot do.
CREATE TABLE audit_entry (
    position           bigint      NOT NULL CHECK (position >= 0),
    recorded_at        timestamptz NOT NULL,
    event_id           text,
    source             text        NOT NULL,
    number             bigint      NOT NULL CHECK (number >= 0),
    type               text        NOT NULL,
    occurred_at        timestamptz,
    actor              text,
    subject            text,
    correlation_id     text,
    causation_id       text,
    client_address     text,
    traceparent        text,
    dataschema         text,
    body               bytea       NOT NULL,
    body_sha256        bytea       NOT NULL CHECK (octet_length(body_sha256) = 32),
    fact_sha256        bytea       NOT NULL CHECK (octet_length(fact_sha256) = 32),
    headers            bytea,
    problem            text,
    stream             text        NOT NULL,
    stream_sequence    bigint      NOT NULL,
    PRIMARY KEY (position, recorded_at)
) PARTITION BY RANGE (recorded_at);

COMMENT ON COLUMN audit_entry.headers IS 'Only of what could not be read: the headers as received, as JSON in ASCII.';
COMMENT ON COLUMN audit_entry.problem IS 'Only of what could not be read: why.';

CREATE INDEX audit_entry_actor ON audit_entry (actor, position);
CREATE INDEX audit_entry_type ON audit_entry (type, position);
CREATE INDEX audit_entry_subject ON audit_entry (subject, position);
CREATE INDEX audit_entry_correlation ON audit_entry (correlation_id, position);

-- What a unique index over partitions cannot hold: one position for each (source, number) and each event id, for ever,
-- also after the entry's month was sealed and dropped.
CREATE TABLE audit_recorded (
    source      text   NOT NULL,
    number      bigint NOT NULL,
    position    bigint NOT NULL,
    event_id    text,
    fact_sha256 bytea  NOT NULL,
    CONSTRAINT audit_recorded_number PRIMARY KEY (source, number),
    CONSTRAINT audit_recorded_position UNIQUE (position),
    CONSTRAINT audit_recorded_event_id UNIQUE (event_id)
);

-- What contradicts an entry, with its bytes: evidence. Each contradiction is kept, and told, once.
CREATE TABLE audit_contradiction (
    source          text        NOT NULL,
    number          bigint      NOT NULL,
    found_sha256    bytea       NOT NULL,
    kind            text        NOT NULL,
    position        bigint      NOT NULL,
    event_id        text,
    type            text        NOT NULL,
    headers         bytea       NOT NULL,
    body            bytea       NOT NULL,
    stream          text        NOT NULL,
    stream_sequence bigint      NOT NULL,
    found_at        timestamptz NOT NULL,
    CONSTRAINT audit_contradiction_once PRIMARY KEY (source, number, found_sha256)
);

-- The head: the next position and the last time of recording. The sequencer holds this row through its transaction.
CREATE TABLE audit_head (
    is_the_only_row  boolean     NOT NULL DEFAULT true PRIMARY KEY CHECK (is_the_only_row),
    next_position    bigint      NOT NULL CHECK (next_position >= 0),
    last_recorded_at timestamptz NOT NULL
);
INSERT INTO audit_head (next_position, last_recorded_at) VALUES (0, '1970-01-01T00:00:00Z');

CREATE FUNCTION audit_head_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.next_position < OLD.next_position OR NEW.last_recorded_at < OLD.last_recorded_at THEN
        RAISE EXCEPTION 'the head of the audit log never goes back' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_head_only_grows BEFORE UPDATE ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_head_only_grows();

CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER audit_entry_no_change BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_recorded_no_change BEFORE UPDATE OR DELETE ON audit_recorded
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_recorded_no_truncate BEFORE TRUNCATE ON audit_recorded
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_contradiction_no_change BEFORE UPDATE OR DELETE ON audit_contradiction
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_contradiction_no_truncate BEFORE TRUNCATE ON audit_contradiction
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

-- Make the partition of the month (UTC) that holds `moment`; nothing happens when it is there. Runs with the owner's
-- rights, so that the service can have the partitions made without being able to make or drop tables; refuses a month
-- further than two years from both now and the last time of recording. Attaching instead of CREATE ... PARTITION OF
-- leaves readers and the sequencer undisturbed.
CREATE FUNCTION audit_make_partition(moment timestamptz) RETURNS boolean LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    first_day date := date_trunc('month', moment AT TIME ZONE 'UTC')::date;
    next_month date := (first_day + interval '1 month')::date;
    partition_name text := 'audit_entry_' || to_char(first_day, 'YYYY_MM');
    head_time timestamptz := (SELECT last_recorded_at FROM audit_head);
BEGIN
    IF to_regclass('public.' || partition_name) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF abs(extract(epoch FROM moment - clock_timestamp())) > 2 * 366 * 86400
       AND abs(extract(epoch FROM moment - head_time)) > 2 * 366 * 86400 THEN
        RAISE EXCEPTION 'no partition is made for a month that far away' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('audit_make_partition', 0));
    IF to_regclass('public.' || partition_name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.audit_entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition_name);
    EXECUTE format('ALTER TABLE public.audit_entry ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                   partition_name, to_char(first_day, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(next_month, 'YYYY-MM-DD') || ' 00:00:00+00');
    EXECUTE format('CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON public.%I FOR EACH STATEMENT '
                   'EXECUTE FUNCTION public.audit_append_only()', partition_name);
    EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC, {service_role}', partition_name);
    EXECUTE format('GRANT SELECT ON public.%I TO {service_role}', partition_name);
    RETURN true;
END $$;

REVOKE ALL ON FUNCTION audit_make_partition(timestamptz) FROM PUBLIC;
REVOKE ALL ON audit_entry, audit_recorded, audit_contradiction, audit_head FROM PUBLIC, {service_role};
GRANT SELECT, INSERT ON audit_entry, audit_recorded, audit_contradiction TO {service_role};
GRANT SELECT, UPDATE ON audit_head TO {service_role};
GRANT EXECUTE ON FUNCTION audit_make_partition(timestamptz) TO {service_role};
