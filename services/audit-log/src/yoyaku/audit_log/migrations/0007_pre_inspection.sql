-- What verification of the stored log looked at and found.

CREATE TABLE audit_inspection (
    inspection_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope            text        NOT NULL CHECK (scope IN ('rolling', 'whole')),
    started_at       timestamptz NOT NULL,
    finished_at      timestamptz NOT NULL,
    first_position   bigint      NOT NULL CHECK (first_position >= 0),
    entry_count      bigint      NOT NULL CHECK (entry_count >= 0),
    checkpoint_count bigint      NOT NULL CHECK (checkpoint_count >= 0),
    finding_count    bigint      NOT NULL CHECK (finding_count >= 0),
    CONSTRAINT audit_inspection_takes_time CHECK (finished_at >= started_at)
);
CREATE INDEX audit_inspection_scope ON audit_inspection (scope, finished_at);

-- Each thing that is wrong, once: it is told when it is first found, and stands here until somebody looks.
CREATE TABLE audit_finding (
    kind           text        NOT NULL,
    position       bigint      NOT NULL CHECK (position >= 0),
    found_sha256   bytea       NOT NULL CHECK (octet_length(found_sha256) = 32),
    expected       bytea       NOT NULL CHECK (octet_length(expected) = 32),
    detail         text        NOT NULL,
    source         text,
    number         bigint,
    event_id       text,
    first_found_at timestamptz NOT NULL,
    PRIMARY KEY (kind, position, found_sha256)
);

DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['audit_inspection', 'audit_finding'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION audit_append_only()',
                       kept || '_no_change', kept);
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()',
                       kept || '_no_truncate', kept);
    END LOOP;
END $$;

REVOKE ALL ON audit_inspection, audit_finding FROM PUBLIC, {service_role}, {role:sealer}, {role:keys};
GRANT SELECT, INSERT ON audit_inspection, audit_finding TO {service_role};
