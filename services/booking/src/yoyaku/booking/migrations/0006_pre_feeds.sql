-- Bookings that came from elsewhere, by the names they have there; and the secret addresses of calendar feeds.

CREATE TABLE imported_booking (
    room_id        integer NOT NULL CONSTRAINT imported_booking_room_fkey REFERENCES room (id),
    external_id    text NOT NULL CONSTRAINT imported_booking_external_id_check CHECK (length(external_id) BETWEEN 1 AND 300),
    fingerprint    bytea NOT NULL,
    reservation_id uuid NOT NULL CONSTRAINT imported_booking_reservation_fkey REFERENCES reservation (id),
    imported_at    timestamptz NOT NULL,
    CONSTRAINT imported_booking_pkey PRIMARY KEY (room_id, external_id)
);
COMMENT ON TABLE imported_booking IS
    'What makes an import safe to repeat. The room is part of the name: calendars of two rooms may share an UID.';
COMMENT ON COLUMN imported_booking.fingerprint IS
    'SHA-256 of owner, times and title as imported: the same name with another one is refused.';

CREATE TABLE calendar_feed (
    id            uuid PRIMARY KEY,
    person_id     uuid NOT NULL CONSTRAINT calendar_feed_person_fkey REFERENCES person (id),
    room_id       integer CONSTRAINT calendar_feed_room_fkey REFERENCES room (id),
    language      text NOT NULL CONSTRAINT calendar_feed_language_check CHECK (language IN ('en', 'ja')),
    secret_digest bytea NOT NULL,
    created_at    timestamptz NOT NULL,
    CONSTRAINT calendar_feed_secret_digest_key UNIQUE (secret_digest),
    CONSTRAINT calendar_feed_secret_digest_check CHECK (length(secret_digest) = 32)
);
COMMENT ON TABLE calendar_feed IS 'Addresses that calendar programs read without a sign-in. A revoked one is deleted.';
COMMENT ON COLUMN calendar_feed.room_id IS 'The room it shows; without one it shows the reservations of the person.';
COMMENT ON COLUMN calendar_feed.secret_digest IS 'SHA-256 of the 256 random bits in the address; the bits themselves are nowhere.';
CREATE INDEX calendar_feed_person_idx ON calendar_feed (person_id, created_at, id);

GRANT SELECT, INSERT ON imported_booking TO {service_role};
GRANT SELECT, INSERT, DELETE ON calendar_feed TO {service_role};
