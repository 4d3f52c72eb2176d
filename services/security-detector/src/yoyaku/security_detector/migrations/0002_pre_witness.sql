-- The witness: what it cosigned last, of each log that it knows. Source: C2SP tlog-witness.

-- One row an origin: the largest checkpoint that was cosigned, whole. It only grows, and is never deleted: a witness that
-- forgets cosigns what contradicts its own word.
CREATE TABLE witness_checkpoint (
    origin      text        PRIMARY KEY CHECK (octet_length(origin) BETWEEN 1 AND 200),
    size        bigint      NOT NULL CHECK (size >= 0),
    root        bytea       NOT NULL CHECK (octet_length(root) = 32),
    note        text        NOT NULL,
    vkeys       text[]      NOT NULL CHECK (cardinality(vkeys) > 0),
    cosigned_at timestamptz NOT NULL
);
COMMENT ON COLUMN witness_checkpoint.note IS 'With the signatures of the log and of the witness.';
COMMENT ON COLUMN witness_checkpoint.vkeys IS 'The keys of the witness that cosigned it.';

CREATE FUNCTION witness_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'a witness never forgets: % on % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.origin <> OLD.origin OR NEW.size < OLD.size OR NEW.cosigned_at < OLD.cosigned_at
       OR (NEW.size = OLD.size AND NEW.root <> OLD.root) THEN
        RAISE EXCEPTION 'what a witness cosigned never goes back' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER witness_checkpoint_only_grows BEFORE UPDATE OR DELETE ON witness_checkpoint
    FOR EACH ROW EXECUTE FUNCTION witness_only_grows();
CREATE TRIGGER witness_checkpoint_no_truncate BEFORE TRUNCATE ON witness_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION witness_only_grows();

REVOKE ALL ON witness_checkpoint FROM PUBLIC, {service_role};
GRANT SELECT, INSERT, UPDATE (size, root, note, vkeys, cosigned_at) ON witness_checkpoint TO {service_role};
