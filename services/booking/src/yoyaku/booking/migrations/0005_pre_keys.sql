-- The keys that sign access tokens (ID-08): one row a key, so that every gateway process of every replica knows them.

CREATE TABLE signing_key (
    key_id             text PRIMARY KEY,
    public_key         bytea NOT NULL CONSTRAINT signing_key_public_key_check CHECK (octet_length(public_key) = 32),
    sealed_private_key bytea,
    created_at         timestamptz NOT NULL,
    signs_from         timestamptz NOT NULL,
    verifies_until     timestamptz,
    revoked_at         timestamptz,
    CONSTRAINT signing_key_revoked_check CHECK (revoked_at IS NULL OR sealed_private_key IS NULL)
);
COMMENT ON COLUMN signing_key.sealed_private_key IS
    'AES-256-GCM under a key that is in no database; null once the key can sign nothing any more.';
COMMENT ON COLUMN signing_key.verifies_until IS
    'Null for the key that signs last. Later than the end of every token that the key signed.';

GRANT SELECT, INSERT ON signing_key TO {service_role};
GRANT UPDATE (sealed_private_key, verifies_until, revoked_at) ON signing_key TO {service_role};
