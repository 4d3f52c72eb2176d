"""OpenTelemetry: numbers that are read off the database and not counted as they happen."""
