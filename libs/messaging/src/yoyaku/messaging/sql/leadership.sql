-- Who leads what, and since which epoch. All times are the database's own.
--
-- The unique key over the epoch is what makes fencing work: a takeover changes it and therefore needs the row's full
-- lock, which waits for every leader's transaction that fenced itself with FOR KEY SHARE; a renewal changes
-- expires_at alone and waits for none of them.

CREATE TABLE leadership (
    name        text        PRIMARY KEY,
    epoch       bigint      NOT NULL CHECK (epoch >= 0),
    holder      text        NOT NULL,
    acquired_at timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    UNIQUE (name, epoch)
) WITH (fillfactor = 10);
COMMENT ON COLUMN leadership.epoch IS 'Grows by one with each takeover and never falls; 0 before the first.';

REVOKE ALL ON leadership FROM PUBLIC, {service_role};
GRANT SELECT, INSERT, UPDATE (epoch, holder, acquired_at, expires_at) ON leadership TO {service_role};
