-- What the witness cosigned is what its note says: the columns beside it are copies, which a superuser may have changed.

CREATE OR REPLACE FUNCTION witness_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_size bigint;
    old_root bytea;
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'a witness never forgets: % on % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    old_size := split_part(OLD.note, E'\n', 2)::bigint;
    old_root := decode(split_part(OLD.note, E'\n', 3), 'base64');
    IF NEW.origin <> OLD.origin OR NEW.size < old_size OR NEW.cosigned_at < OLD.cosigned_at
       OR (NEW.size = old_size AND NEW.root <> old_root) OR NEW.origin <> split_part(NEW.note, E'\n', 1)
       OR NEW.size::text <> split_part(NEW.note, E'\n', 2)
       OR NEW.root <> decode(split_part(NEW.note, E'\n', 3), 'base64') THEN
        RAISE EXCEPTION 'what a witness cosigned never goes back' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
