-- Sessions with their rotating refresh tokens, denials of access tokens, and what is refused of a person before when.

ALTER TABLE person ADD COLUMN not_before timestamptz;
ALTER TABLE person ADD COLUMN version integer NOT NULL DEFAULT 1;
COMMENT ON COLUMN person.not_before IS
    'Access tokens issued before this are refused: set when the person was disabled, got another password or role.';
COMMENT ON COLUMN person.version IS 'Grows with each change an ADMIN or the person makes; a rehash is none.';

CREATE TABLE session (
    id             uuid PRIMARY KEY,
    person_id      uuid NOT NULL CONSTRAINT session_person_fkey REFERENCES person (id),
    created_at     timestamptz NOT NULL,
    last_used_at   timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    access_until   timestamptz NOT NULL,
    client_address text NOT NULL,
    revoked_at     timestamptz,
    CONSTRAINT session_expiry_check CHECK (expires_at <= ends_at)
);
COMMENT ON COLUMN session.expires_at IS 'When the newest refresh token is over.';
COMMENT ON COLUMN session.ends_at IS 'When the session is over however often it is refreshed.';
COMMENT ON COLUMN session.access_until IS 'When the newest access token is over.';
CREATE INDEX session_live_idx ON session (person_id, last_used_at DESC) WHERE revoked_at IS NULL;
CREATE INDEX session_expiry_idx ON session (expires_at);
CREATE INDEX session_revoked_idx ON session (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE refresh_token (
    digest     bytea PRIMARY KEY CONSTRAINT refresh_token_digest_check CHECK (octet_length(digest) = 32),
    session_id uuid NOT NULL CONSTRAINT refresh_token_session_fkey REFERENCES session (id) ON DELETE CASCADE,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
COMMENT ON TABLE refresh_token IS
    'SHA-256 digests of refresh tokens. Used ones stay until they expire: one that comes again is a copy.';
CREATE INDEX refresh_token_session_idx ON refresh_token (session_id);
CREATE INDEX refresh_token_expiry_idx ON refresh_token (expires_at);
CREATE UNIQUE INDEX refresh_token_unused_key ON refresh_token (session_id) WHERE used_at IS NULL;

CREATE TABLE denial (
    kind       text NOT NULL CONSTRAINT denial_kind_check CHECK (kind IN ('token', 'session', 'person')),
    value      text NOT NULL,
    not_before timestamptz,
    until      timestamptz NOT NULL,
    CONSTRAINT denial_pkey PRIMARY KEY (kind, value),
    CONSTRAINT denial_not_before_check CHECK ((kind = 'person') = (not_before IS NOT NULL))
);
COMMENT ON TABLE denial IS
    'Access tokens refused before they expire. The truth of the KV bucket denied_tokens, which the worker repairs.';
CREATE INDEX denial_until_idx ON denial (until);

GRANT UPDATE (display_name, role, disabled_at, not_before, version) ON person TO {service_role};
GRANT SELECT, INSERT, DELETE ON session TO {service_role};
GRANT UPDATE (last_used_at, expires_at, access_until, client_address, revoked_at) ON session TO {service_role};
GRANT SELECT, INSERT, DELETE, UPDATE (used_at) ON refresh_token TO {service_role};
GRANT SELECT, INSERT, DELETE, UPDATE (not_before, until) ON denial TO {service_role};
