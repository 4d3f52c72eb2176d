"""Where work comes in: events and commands."""
