-- Opening hours, closures and retirement of rooms; what filters of rooms look up.

ALTER TABLE room
    ADD COLUMN opening_hours     jsonb,
    ADD COLUMN retired_at        timestamptz,
    ADD COLUMN retirement_reason text,
    ADD CONSTRAINT room_opening_hours_check CHECK (jsonb_typeof(opening_hours) = 'object'),
    ADD CONSTRAINT room_retirement_check CHECK (
        active = (retired_at IS NULL) AND active = (retirement_reason IS NULL)
    );
COMMENT ON COLUMN room.opening_hours IS
    '{"mon": [["09:00", "18:00"]], ...}, local wall time, every day named; null is always open.';

CREATE TABLE closure (
    id         uuid PRIMARY KEY,
    room_id    integer NOT NULL CONSTRAINT closure_room_fkey REFERENCES room (id),
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    reason     text NOT NULL,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL CONSTRAINT closure_person_fkey REFERENCES person (id),
    CONSTRAINT closure_interval_check CHECK (starts_at < ends_at)
);
COMMENT ON TABLE closure IS
    'Written only under a lock of the room that bookings do not pass, with room.version raised in the same transaction.';
CREATE INDEX closure_room_end_idx ON closure (room_id, ends_at);
CREATE INDEX closure_room_start_idx ON closure (room_id, starts_at, id);
CREATE INDEX room_site_idx ON room (site, id);

GRANT UPDATE (name, site, capacity, time_zone, features, buffer_before_minutes, buffer_after_minutes, active, opening_hours, retired_at, retirement_reason) ON room TO {service_role};
GRANT SELECT, INSERT, DELETE ON closure TO {service_role};
