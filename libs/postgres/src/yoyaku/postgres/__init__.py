"""Pool, transaction scope, roles, migrations and error mapping for PostgreSQL."""
