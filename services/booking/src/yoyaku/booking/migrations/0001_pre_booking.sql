-- Rooms, people and reservations; kept answers; the copy of the blocks; and the plumbing of events.

CREATE TABLE person (
    id            uuid PRIMARY KEY,
    user_id       text NOT NULL,
    display_name  text NOT NULL,
    role          text NOT NULL CONSTRAINT person_role_check CHECK (role IN ('USER', 'ADMIN', 'OPERATOR')),
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL,
    disabled_at   timestamptz,
    CONSTRAINT person_user_id_key UNIQUE (user_id),
    CONSTRAINT person_user_id_lower_check CHECK (user_id = lower(user_id))
);
CREATE INDEX person_admin_idx ON person (id) WHERE role = 'ADMIN';

CREATE TABLE room (
    id                    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name                  text NOT NULL,
    site                  text NOT NULL,
    capacity              integer NOT NULL CONSTRAINT room_capacity_check CHECK (capacity > 0),
    time_zone             text NOT NULL,
    features              text[] NOT NULL DEFAULT '{}',
    buffer_before_minutes integer NOT NULL DEFAULT 0 CONSTRAINT room_buffer_before_check CHECK (buffer_before_minutes >= 0),
    buffer_after_minutes  integer NOT NULL DEFAULT 0 CONSTRAINT room_buffer_after_check CHECK (buffer_after_minutes >= 0),
    active                boolean NOT NULL DEFAULT true,
    version               integer NOT NULL DEFAULT 1,
    created_at            timestamptz NOT NULL,
    CONSTRAINT room_site_name_key UNIQUE (site, name)
);
COMMENT ON COLUMN room.version IS
    'Grows with each change of anything a booking is judged by. Placing locks the row FOR SHARE and compares it.';

CREATE TABLE reservation (
    id             uuid PRIMARY KEY,
    room_id        integer NOT NULL CONSTRAINT reservation_room_fkey REFERENCES room (id),
    person_id      uuid NOT NULL CONSTRAINT reservation_person_fkey REFERENCES person (id),
    starts_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    occupied       tstzrange NOT NULL,
    title          text NOT NULL,
    status         text NOT NULL CONSTRAINT reservation_status_check CHECK (status IN ('confirmed', 'cancelled')),
    version        integer NOT NULL,
    created_at     timestamptz NOT NULL,
    cancelled_at   timestamptz,
    cancelled_by   uuid,
    cancel_reason  text,
    cancel_comment text,
    CONSTRAINT reservation_interval_check CHECK (starts_at < ends_at),
    CONSTRAINT reservation_occupied_check CHECK (
        NOT isempty(occupied) AND occupied @> tstzrange(starts_at, ends_at) AND lower_inc(occupied) AND NOT upper_inc(occupied)
        AND NOT lower_inf(occupied) AND NOT upper_inf(occupied)
    ),
    CONSTRAINT reservation_cancellation_check CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL AND cancelled_by IS NOT NULL AND cancel_reason IS NOT NULL)),
    -- int4range stands in for equality: GiST has no class for integers without btree_gist.
    CONSTRAINT reservation_no_overlap EXCLUDE USING gist (
        int4range(room_id, room_id, '[]') WITH &&,
        occupied WITH &&
    ) WHERE (status = 'confirmed')
);
COMMENT ON COLUMN reservation.occupied IS 'The interval plus the buffers of the room as they were when it was booked.';
CREATE INDEX reservation_start_idx ON reservation (starts_at, id);
CREATE INDEX reservation_room_start_idx ON reservation (room_id, starts_at, id);

CREATE TABLE idempotency_key (
    person_id   uuid NOT NULL,
    key         text NOT NULL,
    fingerprint bytea NOT NULL,
    status      integer NOT NULL,
    body        bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    CONSTRAINT idempotency_key_pkey PRIMARY KEY (person_id, key)
);
CREATE INDEX idempotency_key_expiry_idx ON idempotency_key (expires_at);

CREATE TABLE block_copy (
    key   text PRIMARY KEY,
    value jsonb NOT NULL,
    until timestamptz NOT NULL
);
COMMENT ON TABLE block_copy IS
    'What the KV bucket of blocks held when the worker last looked: a gateway that starts without NATS refuses these.';

GRANT SELECT, INSERT ON person TO {service_role};
GRANT UPDATE (password_hash) ON person TO {service_role};
GRANT SELECT, INSERT ON room TO {service_role};
-- FOR SHARE asks for the right to update at least one column.
GRANT UPDATE (version) ON room TO {service_role};
GRANT SELECT, INSERT ON reservation TO {service_role};
GRANT UPDATE (status, version, cancelled_at, cancelled_by, cancel_reason, cancel_comment) ON reservation TO {service_role};
-- Locking expired rows to delete them (FOR UPDATE SKIP LOCKED) needs the right to update a column.
GRANT SELECT, INSERT, DELETE, UPDATE (expires_at) ON idempotency_key TO {service_role};
GRANT SELECT, INSERT, UPDATE, DELETE ON block_copy TO {service_role};

-- include: yoyaku.messaging:sql/outbox.sql
-- include: yoyaku.messaging:sql/inbox.sql
-- include: yoyaku.messaging:sql/leadership.sql
