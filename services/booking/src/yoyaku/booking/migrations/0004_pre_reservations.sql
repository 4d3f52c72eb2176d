-- Reservations move, come back, and remember how they came to be what they are (BK-05, BK-07, BK-08).

ALTER TABLE reservation ADD COLUMN placed_from text;
COMMENT ON COLUMN reservation.placed_from IS
    'The client address of the placing. What a change of it would say stands in reservation_change, so placing writes one row.';

CREATE TABLE reservation_change (
    reservation_id uuid NOT NULL CONSTRAINT reservation_change_reservation_fkey REFERENCES reservation (id),
    version        integer NOT NULL CONSTRAINT reservation_change_version_check CHECK (version > 1),
    changed_at     timestamptz NOT NULL,
    changed_by     uuid NOT NULL,
    action         text NOT NULL CONSTRAINT reservation_change_action_check CHECK (action IN ('cancel', 'reschedule', 'restore')),
    changes        jsonb NOT NULL,
    reason         text,
    comment        text,
    client_address text,
    CONSTRAINT reservation_change_pkey PRIMARY KEY (reservation_id, version)
);
COMMENT ON COLUMN reservation_change.version IS 'The version that the change made.';
COMMENT ON COLUMN reservation_change.changes IS 'Field -> {"from": ..., "to": ...}, only what differs.';

-- The own list, and the list of one person.
CREATE INDEX reservation_person_start_idx ON reservation (person_id, starts_at, id);

GRANT UPDATE (room_id, starts_at, ends_at, occupied, title) ON reservation TO {service_role};
-- History is written and read; nobody who serves requests can change it.
GRANT SELECT, INSERT ON reservation_change TO {service_role};
