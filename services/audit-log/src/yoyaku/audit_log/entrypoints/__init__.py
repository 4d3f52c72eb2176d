"""Where work comes in: events, questions, commands."""
