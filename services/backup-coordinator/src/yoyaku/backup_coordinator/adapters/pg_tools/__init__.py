"""PostgreSQL's own programs."""
