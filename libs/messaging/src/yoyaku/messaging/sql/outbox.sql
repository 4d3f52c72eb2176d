-- The outbox of a service: a numbered log of the events its transactions committed (EV-03).
--
-- outbox_shard counts, outbox_event holds, outbox_cursor remembers how far the relay came. A writer takes the next
-- numbers of its shards in the last statement before commit, so that per shard the numbers are free of gaps and in
-- commit order. Events are never updated; partitions are dropped whole by outbox_maintain().

CREATE TABLE outbox_shard (
    shard       smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
    last_number bigint   NOT NULL DEFAULT 0 CHECK (last_number >= 0),
    last_day    date     NOT NULL
) WITH (
    fillfactor = 10,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000
);
COMMENT ON TABLE outbox_shard IS 'The last number given out in each shard, and the day (UTC) it was given; both never fall.';

CREATE TABLE outbox_cursor (
    shard            smallint PRIMARY KEY REFERENCES outbox_shard (shard),
    published_number bigint   NOT NULL DEFAULT 0 CHECK (published_number >= 0),
    published_day    date     NOT NULL
) WITH (
    fillfactor = 10,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000
);
COMMENT ON TABLE outbox_cursor IS 'The last number of each shard that its stream has acknowledged; a relay claims a shard by locking its row.';

INSERT INTO outbox_shard (shard, last_day)
SELECT number, (clock_timestamp() AT TIME ZONE 'UTC')::date FROM generate_series(0, 63) AS number;
INSERT INTO outbox_cursor (shard, published_day)
SELECT shard, last_day FROM outbox_shard;

CREATE TABLE outbox_event (
    day         date        NOT NULL,
    shard       smallint    NOT NULL,
    number      bigint      NOT NULL CHECK (number > 0),
    event_id    uuid        NOT NULL,
    type        text        NOT NULL,
    headers     jsonb       NOT NULL,
    body        bytea       NOT NULL,
    traceparent text,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (shard, number, day)
) PARTITION BY RANGE (day);
COMMENT ON COLUMN outbox_event.day IS 'UTC day of numbering; never falls within a shard, so that a cursor prunes every earlier partition.';
COMMENT ON COLUMN outbox_event.headers IS 'The envelope as it is published (ce-*), without ce-sequence, which is the number.';

CREATE TABLE outbox_event_default PARTITION OF outbox_event DEFAULT;
COMMENT ON TABLE outbox_event_default IS 'Catches events of a day that has no partition yet; outbox_maintain() moves them into one.';

-- Creates the partitions of today and the next seven days, moves what the default partition caught, and drops
-- partitions older than 35 days once every cursor has passed them. Safe to call at any time from any process: one
-- runs at once, and waits at most a second for a lock, because whoever needs the table queues behind it.
CREATE FUNCTION outbox_maintain() RETURNS TABLE (created int, dropped int)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '1s'
AS $$
DECLARE
    today     CONSTANT date = (clock_timestamp() AT TIME ZONE 'UTC')::date;
    kept_from CONSTANT date = today - 35;
    wanted    date;
    partition record;
BEGIN
    created = 0;
    dropped = 0;
    IF NOT pg_try_advisory_xact_lock(hashtextextended('yoyaku.outbox_maintain', 0)) THEN
        RETURN NEXT;
        RETURN;
    END IF;

    FOR wanted IN
        SELECT today + ahead FROM generate_series(0, 7) AS ahead
        UNION
        SELECT day FROM outbox_event_default WHERE day BETWEEN kept_from AND today + 7
        ORDER BY 1
    LOOP
        CONTINUE WHEN to_regclass(format('public.outbox_event_%s', to_char(wanted, 'YYYYMMDD'))) IS NOT NULL;
        -- A writer on its way into the default partition would be refused there once its day has another one: let
        -- writers finish first, and start none, where the day may be one that is written to.
        IF wanted <= (SELECT greatest(today + 1, max(last_day)) FROM outbox_shard) THEN
            LOCK TABLE outbox_shard IN SHARE ROW EXCLUSIVE MODE;
        END IF;
        -- Attaching locks the default partition alone, where CREATE TABLE ... PARTITION OF would lock the parent.
        LOCK TABLE outbox_event_default IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('CREATE TABLE public.outbox_event_%s (LIKE public.outbox_event INCLUDING ALL)',
                       to_char(wanted, 'YYYYMMDD'));
        EXECUTE format('WITH moved AS (DELETE FROM public.outbox_event_default WHERE day = %L RETURNING *)
                        INSERT INTO public.outbox_event_%s SELECT * FROM moved',
                       wanted, to_char(wanted, 'YYYYMMDD'));
        EXECUTE format('ALTER TABLE public.outbox_event ATTACH PARTITION public.outbox_event_%s
                        FOR VALUES FROM (%L) TO (%L)', to_char(wanted, 'YYYYMMDD'), wanted, wanted + 1);
        created = created + 1;
    END LOOP;

    FOR partition IN
        SELECT child.oid::regclass AS name
        FROM pg_inherits
        JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = 'public.outbox_event'::regclass
          AND child.relname ~ '^outbox_event_[0-9]+$'
          AND substr(child.relname, 14) < to_char(kept_from, 'YYYYMMDD')
        ORDER BY child.relname
    LOOP
        IF outbox_passed(partition.name) THEN
            EXECUTE format('LOCK TABLE public.outbox_event, %s IN ACCESS EXCLUSIVE MODE', partition.name);
            IF outbox_passed(partition.name) THEN
                EXECUTE format('DROP TABLE %s', partition.name);
                dropped = dropped + 1;
            END IF;
        END IF;
    END LOOP;
    DELETE FROM outbox_event_default AS event USING outbox_cursor AS cursor
    WHERE cursor.shard = event.shard AND event.day < kept_from AND event.number <= cursor.published_number;
    RETURN NEXT;
END
$$;

-- Whether every cursor has passed every event of one partition: one step down the index a shard.
CREATE FUNCTION outbox_passed(partition regclass) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    passed boolean;
BEGIN
    EXECUTE format('SELECT NOT EXISTS (
        SELECT FROM public.outbox_cursor AS cursor
        CROSS JOIN LATERAL (SELECT max(number) AS newest FROM %s WHERE shard = cursor.shard) AS event
        WHERE event.newest > cursor.published_number)', partition) INTO passed;
    RETURN passed;
END
$$;

REVOKE ALL ON FUNCTION outbox_maintain(), outbox_passed(regclass) FROM PUBLIC;
REVOKE ALL ON outbox_shard, outbox_cursor, outbox_event, outbox_event_default FROM PUBLIC, {service_role};
GRANT SELECT, UPDATE (last_number, last_day) ON outbox_shard TO {service_role};
GRANT SELECT, UPDATE (published_number, published_day) ON outbox_cursor TO {service_role};
GRANT SELECT, INSERT ON outbox_event TO {service_role};
GRANT EXECUTE ON FUNCTION outbox_maintain() TO {service_role};

SELECT created, dropped FROM outbox_maintain();
