-- The security detector: failed sign-ins as evidence, incidents, and the blocks that answer them.
--
-- include: yoyaku.messaging:sql/outbox.sql
-- include: yoyaku.messaging:sql/leadership.sql

-- One row a rule that fired. Its id follows from the deciding failure, so the same facts cannot make two.
CREATE TABLE incident (
    incident_id    uuid        PRIMARY KEY,
    rule           text        NOT NULL,
    rule_version   int         NOT NULL CHECK (rule_version > 0),
    severity       text        NOT NULL,
    address        text        NOT NULL,
    event_ids      text[]      NOT NULL CHECK (cardinality(event_ids) > 0),
    decided_by     text        NOT NULL,
    opened_at      timestamptz NOT NULL,
    covers_until   timestamptz NOT NULL,
    decided_at     timestamptz NOT NULL,
    correlation_id text        NOT NULL,
    CONSTRAINT incident_once UNIQUE (rule, rule_version, decided_by),
    CONSTRAINT incident_covers_something CHECK (covers_until > opened_at)
);
COMMENT ON COLUMN incident.opened_at IS 'Event time of the failure that filled the window.';
COMMENT ON COLUMN incident.covers_until IS 'Until then the incident is answered, and failures of its address are not judged.';
CREATE INDEX incident_address ON incident (address, opened_at);

-- Every failed sign-in of a client that was not blocked. The primary key is the consumer's memory of what it has
-- handled: written in the transaction of its effect, kept longer than the stream can deliver it again.
CREATE TABLE failed_sign_in (
    event_id       text        PRIMARY KEY,
    address        text        NOT NULL,
    occurred_at    timestamptz NOT NULL,
    correlation_id text        NOT NULL,
    traceparent    text,
    incident_id    uuid        REFERENCES incident,
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN failed_sign_in.incident_id IS 'The one incident that it led to or fell under; none while it may still count.';
CREATE INDEX failed_sign_in_open ON failed_sign_in (address, occurred_at) WHERE incident_id IS NULL;
CREATE INDEX failed_sign_in_recorded_at ON failed_sign_in USING brin (recorded_at);

-- What is refused, and until when. In force until it is recorded as expired.
CREATE TABLE block (
    block_id         uuid        PRIMARY KEY,
    incident_id      uuid        NOT NULL UNIQUE REFERENCES incident,
    kind             text        NOT NULL,
    value            text        NOT NULL,
    until            timestamptz NOT NULL,
    reason           text        NOT NULL,
    rule             text        NOT NULL,
    correlation_id   text        NOT NULL,
    traceparent      text,
    imposed_event_id uuid        NOT NULL,
    imposed_at       timestamptz NOT NULL,
    expired_at       timestamptz,
    CONSTRAINT block_lasts CHECK (until > imposed_at),
    CONSTRAINT block_expires_in_time CHECK (expired_at >= until)
);
CREATE UNIQUE INDEX block_in_force ON block (kind, value) WHERE expired_at IS NULL;
CREATE INDEX block_until ON block (until) WHERE expired_at IS NULL;

REVOKE ALL ON failed_sign_in, incident, block FROM PUBLIC, {service_role};
GRANT SELECT, INSERT, UPDATE (incident_id), DELETE ON failed_sign_in TO {service_role};
GRANT SELECT, INSERT ON incident TO {service_role};
GRANT SELECT, INSERT, UPDATE (expired_at) ON block TO {service_role};
