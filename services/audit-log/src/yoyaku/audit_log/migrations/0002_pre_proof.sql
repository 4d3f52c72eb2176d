-- The audit log that proves itself: entries as the leaves of a Merkle tree, the tree's tiles, signed checkpoints, keys of
-- personal fields, and what is needed to search and to know a fact again without keeping it readable.

-- Entries recorded before there was a tree are set aside under another name; the sequencer takes them over, in their
-- order and with their times, before it records anything new.
DROP INDEX audit_entry_actor, audit_entry_type, audit_entry_subject, audit_entry_correlation;
ALTER TABLE audit_entry RENAME CONSTRAINT audit_entry_pkey TO audit_unproven_pkey;
ALTER TABLE audit_entry RENAME TO audit_unproven;
DO $$
DECLARE
    old record;
BEGIN
    FOR old IN SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
               WHERE inhparent = 'public.audit_unproven'::regclass
    LOOP
        EXECUTE format('ALTER TABLE public.%I RENAME CONSTRAINT %I TO %I', old.relname, old.relname || '_pkey',
                       replace(old.relname, 'audit_entry_', 'audit_unproven_') || '_pkey');
        EXECUTE format('ALTER TABLE public.%I RENAME TO %I', old.relname, replace(old.relname, 'audit_entry_', 'audit_unproven_'));
    END LOOP;
END $$;
DROP TABLE audit_recorded, audit_head;

-- One row an event, partitioned by the month in which it was recorded (UTC). `leaf` is the entry: the bytes that the tree
-- holds. The other columns are copies for searching; verification compares them with the leaf.
CREATE TABLE audit_entry (
    position         bigint      NOT NULL CHECK (position >= 0),
    recorded_at      timestamptz NOT NULL,
    epoch            int         NOT NULL CHECK (epoch >= 1),
    leaf             bytea       NOT NULL CHECK (octet_length(leaf) BETWEEN 1 AND 65535),
    leaf_hash        bytea       NOT NULL CHECK (octet_length(leaf_hash) = 32),
    event_id         text,
    source           text        NOT NULL,
    number           bigint      NOT NULL CHECK (number >= 0),
    type             text        NOT NULL,
    occurred_at      timestamptz,
    actor            text,
    subject          text,
    correlation_id   text,
    result           text        CHECK (result IN ('succeeded', 'refused', 'failed')),
    traceparent      text,
    stream           text        NOT NULL,
    stream_sequence  bigint      NOT NULL,
    PRIMARY KEY (position, recorded_at)
) PARTITION BY RANGE (recorded_at);
COMMENT ON COLUMN audit_entry.leaf IS 'Canonical JSON, see docs/api/audit-formats.md; personal fields are ciphertext.';
COMMENT ON COLUMN audit_entry.leaf_hash IS 'SHA-256 of 0x00 and the leaf (RFC 6962 section 2.1).';

CREATE INDEX audit_entry_actor ON audit_entry (actor, position);
CREATE INDEX audit_entry_type ON audit_entry (type, position);
CREATE INDEX audit_entry_subject ON audit_entry (subject, position);
CREATE INDEX audit_entry_correlation ON audit_entry (correlation_id, position);
CREATE INDEX audit_entry_result ON audit_entry (result, position) WHERE result <> 'succeeded';
CREATE INDEX audit_entry_recorded_at ON audit_entry USING brin (recorded_at);
CREATE INDEX audit_entry_occurred_at ON audit_entry USING brin (occurred_at);

-- Bodies with which a leaf would be larger than a tlog-tiles entry may be (65,535 bytes): the leaf holds digest and size.
CREATE TABLE audit_body (
    position    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL,
    sha256      bytea       NOT NULL CHECK (octet_length(sha256) = 32),
    content     bytea       NOT NULL,
    PRIMARY KEY (position, recorded_at)
) PARTITION BY RANGE (recorded_at);

-- What a unique index over partitions cannot hold: one position for each (source, number) and each event id, for ever,
-- also after the entry's month was sealed and dropped.
CREATE TABLE audit_recorded (
    source               text   NOT NULL,
    number               bigint NOT NULL,
    position             bigint NOT NULL,
    event_id             text,
    fact_digest          bytea  NOT NULL CHECK (octet_length(fact_digest) = 32),
    digest_key_reference text,
    CONSTRAINT audit_recorded_number PRIMARY KEY (source, number),
    CONSTRAINT audit_recorded_position UNIQUE (position),
    CONSTRAINT audit_recorded_event_id UNIQUE (event_id)
);
COMMENT ON COLUMN audit_recorded.digest_key_reference IS
    'Whose keys the digest is made with, one a line; none: plain SHA-256, the fact has no personal field. Without one of the keys it says nothing.';

-- Evidence of personal facts is ciphertext, too.
ALTER TABLE audit_contradiction ADD COLUMN key_reference text;
COMMENT ON COLUMN audit_contradiction.key_reference IS 'Under whose key headers and body are sealed; none: they are as received.';

-- What is no entry by AU-01 (checkpoint facts), by its number: completeness knows that nothing is missing there.
CREATE TABLE audit_passed_over (
    source  text        NOT NULL,
    number  bigint      NOT NULL,
    type    text        NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (source, number)
);

-- The head: the next position and the last time of recording. The sequencer holds this row through its transaction.
CREATE TABLE audit_head (
    is_the_only_row  boolean     NOT NULL DEFAULT true PRIMARY KEY CHECK (is_the_only_row),
    next_position    bigint      NOT NULL CHECK (next_position >= 0),
    last_recorded_at timestamptz NOT NULL
);
INSERT INTO audit_head (next_position, last_recorded_at) VALUES (0, '1970-01-01T00:00:00Z');
CREATE TRIGGER audit_head_only_grows BEFORE UPDATE ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_head_only_grows();

-- Trees. Entries from first_position on, up to the next epoch's, are the leaves of this epoch's tree.
CREATE TABLE audit_epoch (
    epoch          int         PRIMARY KEY CHECK (epoch >= 1),
    origin         text        NOT NULL UNIQUE,
    first_position bigint      NOT NULL CHECK (first_position >= 0),
    opened_at      timestamptz NOT NULL
);

-- Whole tiles of the trees: 256 hashes each (C2SP tlog-tiles). What stands right of them follows from the entries.
CREATE TABLE audit_tile (
    epoch      int      NOT NULL REFERENCES audit_epoch,
    level      smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    tile_index bigint   NOT NULL CHECK (tile_index >= 0),
    hashes     bytea    NOT NULL CHECK (octet_length(hashes) = 8192),
    PRIMARY KEY (epoch, level, tile_index)
);
ALTER TABLE audit_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- The newest checkpoint of each epoch: replaced about once a second while entries are recorded.
CREATE TABLE audit_checkpoint_latest (
    epoch         int         PRIMARY KEY REFERENCES audit_epoch,
    size          bigint      NOT NULL CHECK (size >= 0),
    root          bytea       NOT NULL CHECK (octet_length(root) = 32),
    note          text        NOT NULL,
    signed_at     timestamptz NOT NULL,
    cosigned_size bigint,
    cosigned_note text
);
COMMENT ON COLUMN audit_checkpoint_latest.cosigned_note IS 'The newest one with a witness''s line, whole; may be older than note.';

CREATE FUNCTION audit_checkpoint_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.epoch <> OLD.epoch OR NEW.size < OLD.size OR NEW.cosigned_size < OLD.cosigned_size
       OR (NEW.size = OLD.size AND NEW.root <> OLD.root) THEN
        RAISE EXCEPTION 'a checkpoint never goes back' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_checkpoint_only_grows BEFORE UPDATE ON audit_checkpoint_latest
    FOR EACH ROW EXECUTE FUNCTION audit_checkpoint_only_grows();

-- Checkpoints that are kept for ever, and the lines that witnesses added to them.
CREATE TABLE audit_checkpoint (
    epoch     int         NOT NULL REFERENCES audit_epoch,
    size      bigint      NOT NULL CHECK (size >= 0),
    root      bytea       NOT NULL CHECK (octet_length(root) = 32),
    note      text        NOT NULL,
    signed_at timestamptz NOT NULL,
    PRIMARY KEY (epoch, size)
);
CREATE TABLE audit_cosignature (
    epoch       int         NOT NULL,
    size        bigint      NOT NULL,
    witness     text        NOT NULL,
    line        text        NOT NULL,
    cosigned_at timestamptz NOT NULL,
    PRIMARY KEY (epoch, size, witness),
    FOREIGN KEY (epoch, size) REFERENCES audit_checkpoint
);

-- Keys of personal fields, wrapped by the master key, which is not in the database. Whose key is deleted is forgotten.
CREATE TABLE audit_personal_key (
    key_reference text        PRIMARY KEY CHECK (octet_length(key_reference) BETWEEN 1 AND 400),
    wrapped_key   bytea       NOT NULL,
    master_key_id text        NOT NULL,
    created_at    timestamptz NOT NULL
);
CREATE TABLE audit_forgotten (
    key_reference text        PRIMARY KEY,
    forgotten_at  timestamptz NOT NULL
);

-- Which entries came from which client address, by keyed digest; rows of the forgotten are deleted.
CREATE TABLE audit_client (
    digest        bytea  NOT NULL CHECK (octet_length(digest) = 16),
    position      bigint NOT NULL,
    key_reference text   NOT NULL,
    PRIMARY KEY (digest, position)
);
CREATE INDEX audit_client_key_reference ON audit_client (key_reference);

DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['audit_entry', 'audit_body', 'audit_recorded', 'audit_passed_over', 'audit_epoch', 'audit_tile',
                                'audit_checkpoint', 'audit_cosignature', 'audit_forgotten']
    LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION audit_append_only()',
                       kept || '_no_change', kept);
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()',
                       kept || '_no_truncate', kept);
    END LOOP;
END $$;

-- Make the partitions of the month (UTC) that holds `moment`; nothing happens when they are there. Runs with the owner's
-- rights, so that the service can have partitions made without being able to make or drop tables; refuses a month
-- further than two years from both now and the last time of recording. Attaching instead of CREATE ... PARTITION OF
-- leaves readers and the sequencer undisturbed.
CREATE OR REPLACE FUNCTION audit_make_partition(moment timestamptz) RETURNS boolean LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    first_day date := date_trunc('month', moment AT TIME ZONE 'UTC')::date;
    next_month date := (first_day + interval '1 month')::date;
    suffix text := to_char(first_day, 'YYYY_MM');
    head_time timestamptz;
    parent text;
BEGIN
    IF to_regclass('public.audit_entry_' || suffix) IS NOT NULL THEN
        RETURN false;
    END IF;
    head_time := (SELECT last_recorded_at FROM audit_head);
    IF abs(extract(epoch FROM moment - clock_timestamp())) > 2 * 366 * 86400
       AND abs(extract(epoch FROM moment - head_time)) > 2 * 366 * 86400 THEN
        RAISE EXCEPTION 'no partition is made for a month that far away' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('audit_make_partition', 0));
    -- Looked up in the table: waiting for an advisory lock does not refresh what to_regclass remembers.
    IF EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = 'audit_entry_' || suffix) THEN
        RETURN false;
    END IF;
    FOREACH parent IN ARRAY ARRAY['audit_body', 'audit_entry'] LOOP
        EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                       parent || '_' || suffix, parent);
        EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', parent,
                       parent || '_' || suffix, to_char(first_day, 'YYYY-MM-DD') || ' 00:00:00+00',
                       to_char(next_month, 'YYYY-MM-DD') || ' 00:00:00+00');
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON public.%I FOR EACH STATEMENT '
                       'EXECUTE FUNCTION public.audit_append_only()', parent || '_no_truncate', parent || '_' || suffix);
        EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC, {service_role}, {role:sealer}, {role:keys}', parent || '_' || suffix);
        EXECUTE format('GRANT SELECT ON public.%I TO {service_role}, {role:sealer}', parent || '_' || suffix);
    END LOOP;
    RETURN true;
END $$;

REVOKE ALL ON audit_unproven, audit_entry, audit_body, audit_recorded, audit_passed_over, audit_head, audit_epoch, audit_tile,
    audit_checkpoint_latest, audit_checkpoint, audit_cosignature, audit_personal_key, audit_forgotten, audit_client
    FROM PUBLIC, {service_role}, {role:sealer}, {role:keys};
GRANT SELECT ON audit_unproven TO {service_role};
GRANT SELECT, INSERT ON audit_entry, audit_body, audit_recorded, audit_passed_over, audit_epoch, audit_tile, audit_checkpoint,
    audit_cosignature, audit_personal_key, audit_client TO {service_role};
GRANT SELECT, UPDATE ON audit_head TO {service_role};
GRANT SELECT, INSERT, UPDATE ON audit_checkpoint_latest TO {service_role};
GRANT SELECT ON audit_forgotten TO {service_role};

GRANT SELECT ON audit_entry, audit_body, audit_epoch, audit_tile, audit_checkpoint, audit_cosignature TO {role:sealer};
GRANT SELECT, DELETE ON audit_personal_key, audit_client TO {role:keys};
GRANT SELECT, INSERT ON audit_forgotten TO {role:keys};
