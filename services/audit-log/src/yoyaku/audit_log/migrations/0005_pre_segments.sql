-- Sealed months: which entries stand in the archive, which were deleted after their retention, and the only way in which
-- a partition is ever dropped.

-- One row a month and epoch, written when its files stood in the archive and were read back and verified.
CREATE TABLE audit_segment (
    epoch           int         NOT NULL REFERENCES audit_epoch,
    month           date        NOT NULL CHECK (extract(day FROM month) = 1),
    first_position  bigint      NOT NULL CHECK (first_position >= 0),
    entry_count     bigint      NOT NULL CHECK (entry_count > 0),
    checkpoint_size bigint      NOT NULL,
    root            bytea       NOT NULL CHECK (octet_length(root) = 32),
    manifest_sha256 bytea       NOT NULL CHECK (octet_length(manifest_sha256) = 32),
    stored_bytes    bigint      NOT NULL CHECK (stored_bytes > 0),
    sealed_at       timestamptz NOT NULL,
    PRIMARY KEY (epoch, month),
    UNIQUE (first_position),
    FOREIGN KEY (epoch, checkpoint_size) REFERENCES audit_checkpoint
);
COMMENT ON COLUMN audit_segment.checkpoint_size IS 'Of the kept checkpoint that vouches for it; its tree begins with the segment''s.';
COMMENT ON COLUMN audit_segment.root IS 'Of the tree that ends with the last entry of the segment.';

-- Segments follow each other without a gap, so that every position is in one place: sealed below the end of the last
-- segment, hot from there on.
CREATE FUNCTION audit_segment_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sealed_end bigint := coalesce((SELECT max(first_position + entry_count) FROM audit_segment), 0);
BEGIN
    IF NEW.first_position <> sealed_end THEN
        RAISE EXCEPTION 'a segment begins at position %, the next one to be sealed is %', NEW.first_position, sealed_end
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_segment_follows BEFORE INSERT ON audit_segment FOR EACH ROW EXECUTE FUNCTION audit_segment_follows();

-- Leaf hashes of the sealed entries that stand in a tile which was not whole when their month was sealed: the right edge
-- of the tree is rebuilt from them when the entries are dropped.
CREATE TABLE audit_sealed_edge (
    position  bigint PRIMARY KEY,
    epoch     int    NOT NULL,
    leaf_hash bytea  NOT NULL CHECK (octet_length(leaf_hash) = 32)
);

-- Which bodies beside leaves a segment refers to; the same bytes are one object.
CREATE TABLE audit_sealed_body (
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    epoch  int   NOT NULL,
    month  date  NOT NULL,
    PRIMARY KEY (sha256, epoch, month),
    FOREIGN KEY (epoch, month) REFERENCES audit_segment
);

-- A segment whose retention is over. First this row and the fact, then, when the fact is an entry that a checkpoint
-- vouches for, the files; `audit_segment_expunged` says that they are gone.
CREATE TABLE audit_segment_deleted (
    epoch      int         NOT NULL,
    month      date        NOT NULL,
    event_id   text        NOT NULL UNIQUE,
    deleted_at timestamptz NOT NULL,
    PRIMARY KEY (epoch, month),
    FOREIGN KEY (epoch, month) REFERENCES audit_segment
);
CREATE TABLE audit_segment_expunged (
    epoch       int         NOT NULL,
    month       date        NOT NULL,
    expunged_at timestamptz NOT NULL,
    PRIMARY KEY (epoch, month),
    FOREIGN KEY (epoch, month) REFERENCES audit_segment_deleted
);

-- Up to which kept checkpoint the archive has them; a later cosignature is stored again.
CREATE TABLE audit_checkpoint_stored (
    epoch       int     NOT NULL,
    size        bigint  NOT NULL,
    is_cosigned boolean NOT NULL,
    PRIMARY KEY (epoch, size, is_cosigned),
    FOREIGN KEY (epoch, size) REFERENCES audit_checkpoint
);

-- The leaf hashes that are still known beside whole tiles. A month that is sealed and not yet dropped has its edge twice,
-- which UNION makes one.
CREATE VIEW audit_leaf_hash AS
    SELECT epoch, position, leaf_hash FROM audit_entry
    UNION
    SELECT epoch, position, leaf_hash FROM audit_sealed_edge;

DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['audit_segment', 'audit_sealed_edge', 'audit_sealed_body', 'audit_segment_deleted',
                                'audit_segment_expunged', 'audit_checkpoint_stored']
    LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION audit_append_only()',
                       kept || '_no_change', kept);
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()',
                       kept || '_no_truncate', kept);
    END LOOP;
END $$;

-- Drop the partitions of a month; false when there are none. The only way in which entries leave the database: it refuses
-- while the month may still get entries (the last time of recording is in it), and while one entry of it is in no segment.
-- It waits for readers of the log for half a second only, since the sequencer waits behind it, and is tried again.
CREATE FUNCTION audit_drop_sealed_month(wanted date) RETURNS boolean LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    suffix text := to_char(wanted, 'YYYY_MM');
    outside bigint;
BEGIN
    IF wanted IS NULL OR extract(day FROM wanted) <> 1 THEN
        RAISE EXCEPTION 'a month is named by its first day' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- One at a time: two would wait for each other's lock. Looked up in the table, since waiting for an advisory lock does
    -- not refresh what to_regclass remembers.
    PERFORM pg_advisory_xact_lock(hashtextextended('audit_drop_sealed_month', 0));
    IF NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = 'audit_entry_' || suffix) THEN
        RETURN false;
    END IF;
    IF (SELECT last_recorded_at AT TIME ZONE 'UTC' FROM audit_head) < wanted + interval '1 month' THEN
        RAISE EXCEPTION 'the month % may still get entries', to_char(wanted, 'YYYY-MM') USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('LOCK TABLE public.%I, public.%I IN SHARE MODE', 'audit_entry_' || suffix, 'audit_body_' || suffix);
    EXECUTE format('SELECT (SELECT count(*) FROM public.%I AS e WHERE NOT EXISTS (SELECT FROM audit_segment AS s '
                   '  WHERE s.epoch = e.epoch AND s.month = $1 AND e.position >= s.first_position '
                   '    AND e.position < s.first_position + s.entry_count)) '
                   ' + (SELECT count(*) FROM public.%I AS b WHERE NOT EXISTS (SELECT FROM audit_sealed_body AS s '
                   '  WHERE s.month = $1 AND s.sha256 = b.sha256))',
                   'audit_entry_' || suffix, 'audit_body_' || suffix) INTO outside USING wanted;
    IF outside > 0 THEN
        RAISE EXCEPTION '% entries or bodies of the month % are not sealed', outside, to_char(wanted, 'YYYY-MM')
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('DROP TABLE public.%I, public.%I', 'audit_entry_' || suffix, 'audit_body_' || suffix);
    RETURN true;
END $$;

-- Delete the keyed digests of client addresses of a deleted segment; returns how many there were.
CREATE FUNCTION audit_expire_clients(of_epoch int, of_month date) RETURNS bigint LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    expired bigint;
BEGIN
    DELETE FROM audit_client AS c USING audit_segment AS s JOIN audit_segment_deleted AS d USING (epoch, month)
     WHERE s.epoch = of_epoch AND s.month = of_month
       AND c.position >= s.first_position AND c.position < s.first_position + s.entry_count;
    GET DIAGNOSTICS expired = ROW_COUNT;
    RETURN expired;
END $$;

REVOKE ALL ON audit_segment, audit_sealed_edge, audit_sealed_body, audit_segment_deleted, audit_segment_expunged,
    audit_checkpoint_stored, audit_leaf_hash FROM PUBLIC, {service_role}, {role:sealer}, {role:keys};
REVOKE ALL ON FUNCTION audit_drop_sealed_month(date), audit_expire_clients(int, date)
    FROM PUBLIC, {service_role}, {role:sealer}, {role:keys};
GRANT SELECT, INSERT ON audit_segment, audit_sealed_edge, audit_sealed_body, audit_segment_deleted, audit_segment_expunged,
    audit_checkpoint_stored TO {service_role};
GRANT SELECT ON audit_leaf_hash TO {service_role};
GRANT SELECT ON audit_segment, audit_segment_deleted TO {role:sealer};
GRANT EXECUTE ON FUNCTION audit_drop_sealed_month(date), audit_expire_clients(int, date) TO {role:sealer};
