"""Streams, permissions, consumers, outbox, inbox, dead letters and leadership."""
