"""The ports kept in PostgreSQL: hand-written SQL, one module a table."""
