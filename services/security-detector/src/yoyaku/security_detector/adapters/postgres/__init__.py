"""Failures, incidents and blocks in PostgreSQL."""
