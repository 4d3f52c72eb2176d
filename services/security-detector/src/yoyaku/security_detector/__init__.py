"""Judges authentication events and blocks attackers."""
