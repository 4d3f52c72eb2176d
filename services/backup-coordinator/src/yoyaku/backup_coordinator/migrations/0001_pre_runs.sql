-- The catalogue: every backup run, from its trigger to its end.
--
-- include: yoyaku.messaging:sql/outbox.sql
-- include: yoyaku.messaging:sql/leadership.sql

CREATE TABLE backup_run (
    run_id           uuid        PRIMARY KEY,
    kind             text        NOT NULL CHECK (kind IN ('full')),
    trigger          text        NOT NULL CHECK (trigger IN ('schedule', 'request')),
    state            text        NOT NULL CHECK (state IN ('requested', 'running', 'completed', 'failed')),
    requested_by     text        NOT NULL,
    requested_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    scheduled_for    timestamptz,
    traceparent      text,
    started_at       timestamptz,
    finished_at      timestamptz,
    directory        text,
    size_bytes       bigint      CHECK (size_bytes >= 0),
    file_count       integer     CHECK (file_count >= 0),
    manifest_sha256  text        CHECK (length(manifest_sha256) = 64),
    record_sha256    text        CHECK (length(record_sha256) = 64),
    reason           text,
    CONSTRAINT backup_run_scheduled_once UNIQUE (scheduled_for),
    CONSTRAINT backup_run_schedule_has_time CHECK ((trigger = 'schedule') = (scheduled_for IS NOT NULL)),
    CONSTRAINT backup_run_started CHECK (state = 'failed' OR (state = 'requested') = (started_at IS NULL)),
    CONSTRAINT backup_run_finished CHECK ((state IN ('completed', 'failed')) = (finished_at IS NOT NULL)),
    CONSTRAINT backup_run_failed_has_reason CHECK ((state = 'failed') = (reason IS NOT NULL)),
    CONSTRAINT backup_run_completed_is_described CHECK (
        state <> 'completed'
        OR (directory IS NOT NULL AND size_bytes IS NOT NULL AND file_count IS NOT NULL
            AND manifest_sha256 IS NOT NULL AND record_sha256 IS NOT NULL)
    )
);
CREATE UNIQUE INDEX backup_run_one_runs ON backup_run ((true)) WHERE state = 'running';
CREATE UNIQUE INDEX backup_run_one_waits ON backup_run ((true)) WHERE state = 'requested' AND trigger = 'request';
CREATE INDEX backup_run_newest ON backup_run (requested_at DESC, run_id DESC);

-- Since when the schedule is kept: a run missed before that is not caught up.
CREATE TABLE backup_schedule (
    is_the_only_row boolean     NOT NULL DEFAULT true PRIMARY KEY CHECK (is_the_only_row),
    kept_until      timestamptz NOT NULL
);
COMMENT ON COLUMN backup_schedule.kept_until IS 'Every fire time up to this moment has its run, or needs none.';
INSERT INTO backup_schedule (kept_until) VALUES (clock_timestamp());

REVOKE ALL ON backup_run, backup_schedule FROM PUBLIC, {service_role};
GRANT SELECT, INSERT, UPDATE ON backup_run TO {service_role};
GRANT SELECT, UPDATE ON backup_schedule TO {service_role};
