"""PostgreSQL 18 and NATS from wheels, the supervisor, the trace store, the demo."""
