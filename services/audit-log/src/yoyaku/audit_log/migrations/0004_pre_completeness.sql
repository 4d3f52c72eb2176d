-- Completeness (AU-04): up to which number each source was checked, which numbers are missing and why, and what was
-- stated last. What of it is a fact is told through the outbox and becomes an entry; these rows are the working state.

-- One row, of the last look and the last statement.
CREATE TABLE audit_completeness (
    is_the_only_row boolean     NOT NULL DEFAULT true PRIMARY KEY CHECK (is_the_only_row),
    looked_at       timestamptz,
    unanswered      text[]      NOT NULL DEFAULT '{}',
    stated_at       timestamptz,
    stated_position bigint      NOT NULL DEFAULT 0
);
COMMENT ON COLUMN audit_completeness.unanswered IS 'Services whose outbox did not answer at the last look.';
COMMENT ON COLUMN audit_completeness.stated_position IS 'The next position of the log when the last statement was made.';
INSERT INTO audit_completeness DEFAULT VALUES;

-- Every number up to checked_to is recorded, passed over, kept as a contradiction, or in a row of audit_gap.
CREATE TABLE audit_source (
    source      text   PRIMARY KEY,
    checked_to  bigint NOT NULL CHECK (checked_to >= 0),
    stated_to   bigint NOT NULL DEFAULT 0,
    stated_lost bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON COLUMN audit_source.stated_to IS 'The number that the last statement about this source gave.';

-- Missing numbers. A gap that closes in pieces becomes several rows; rows of closed ones stay.
CREATE TABLE audit_gap (
    gap_id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text        NOT NULL,
    first_number bigint      NOT NULL CHECK (first_number >= 1),
    last_number  bigint      NOT NULL,
    reason       text        NOT NULL CHECK (reason IN ('missing', 'unsent', 'source_went_back', 'lost_at_source')),
    found_at     timestamptz NOT NULL,
    asked_at     timestamptz,
    asked_count  int         NOT NULL DEFAULT 0,
    closed_at    timestamptz,
    resolution   text        CHECK (resolution IN ('arrived', 'caught_up', 'lost')),
    CHECK (last_number >= first_number),
    CHECK ((closed_at IS NULL) = (resolution IS NULL))
);
CREATE UNIQUE INDEX audit_gap_open ON audit_gap (source, first_number, reason) WHERE closed_at IS NULL;

REVOKE ALL ON audit_completeness, audit_source, audit_gap FROM PUBLIC, {service_role}, {role:sealer}, {role:keys};
GRANT SELECT, UPDATE ON audit_completeness TO {service_role};
GRANT SELECT, INSERT, UPDATE ON audit_source, audit_gap TO {service_role};
