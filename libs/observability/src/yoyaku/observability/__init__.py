"""Traces, metrics, logs and health for a service."""
