-- What reading asks for: the first entry recorded at a moment, a body by its digest, and what somebody did of one kind,
-- whose type is compared in the index, so that no row is read in vain. Ranges over the times of facts need no index:
-- their places are known by block (adapters/postgres/occurred_blocks.py).
DROP INDEX audit_entry_recorded_at, audit_entry_occurred_at, audit_entry_actor;
CREATE INDEX audit_entry_recorded_at ON audit_entry (recorded_at, position);
CREATE INDEX audit_entry_actor ON audit_entry (actor, position, type);
CREATE INDEX audit_body_sha256 ON audit_body (sha256);
