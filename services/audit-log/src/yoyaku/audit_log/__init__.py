"""Records every event, in gap-free positions."""
