-- The log goes on when its own rows were damaged: where it can go on, and a head row that is missing or absurd made anew.

-- The first position from `start` on behind which nothing is taken for 2^20 positions. Rows further away are not looked
-- at: one row far ahead must not cost the log all positions up to it.
CREATE FUNCTION audit_clear_position(start bigint) RETURNS bigint LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    clear bigint := start;
    taken bigint;
BEGIN
    LOOP
        taken := greatest(
            (SELECT max(position) FROM audit_entry WHERE position >= clear AND position - clear < 1048576),
            (SELECT max(position) FROM audit_body WHERE position >= clear AND position - clear < 1048576),
            (SELECT max(position) FROM audit_recorded WHERE position >= clear AND position - clear < 1048576));
        IF taken IS NULL THEN
            RETURN clear;
        END IF;
        clear := taken + 1;
    END LOOP;
END $$;

-- Make the head row where it is missing, or names a position so far above all entries that it can be nobody's. Runs with
-- the owner's rights; an existing head that may be true is left alone, however little the caller likes it. Says what it
-- did, NULL when that was nothing.
CREATE FUNCTION audit_restore_head() RETURNS text LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    head record;
    was_there boolean;
    begin_of_newest bigint;
    clear bigint;
BEGIN
    SELECT next_position, last_recorded_at INTO head FROM audit_head FOR UPDATE;
    was_there := FOUND;
    IF was_there AND isfinite(head.last_recorded_at)
       AND (head.next_position = 0 OR EXISTS (SELECT FROM audit_recorded WHERE position = head.next_position - 1)) THEN
        RETURN NULL;
    END IF;
    begin_of_newest := coalesce((SELECT max(first_position) FROM audit_epoch WHERE first_position < 4503599627370496), 0);
    -- What was signed or is a whole tile was a position once, though its entries may be gone.
    clear := audit_clear_position(greatest(
        begin_of_newest,
        (SELECT max(e.first_position + c.size) FROM audit_checkpoint_latest c JOIN audit_epoch e USING (epoch)
          WHERE e.first_position < 4503599627370496 AND c.size < 4294967296),
        (SELECT max(e.first_position + (t.tile_index + 1) * 256) FROM audit_tile t JOIN audit_epoch e USING (epoch)
          WHERE t.level = 0 AND e.first_position = begin_of_newest AND t.tile_index < 16777216)));
    IF was_there AND isfinite(head.last_recorded_at) AND head.next_position - clear < 1048576 THEN
        RETURN NULL;
    END IF;
    DELETE FROM audit_head;
    INSERT INTO audit_head (next_position, last_recorded_at)
    VALUES (clear, coalesce((SELECT recorded_at FROM audit_entry WHERE position < clear AND isfinite(recorded_at)
                              ORDER BY position DESC LIMIT 1), clock_timestamp()));
    RETURN CASE WHEN was_there THEN 'the head of the log was beyond every entry, at ' || head.next_position
                ELSE 'the head of the log was gone' END;
END $$;

REVOKE ALL ON FUNCTION audit_clear_position(bigint), audit_restore_head() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_clear_position(bigint), audit_restore_head() TO {service_role};
