"""Fixtures: embedded or container servers, clocks, factories."""
