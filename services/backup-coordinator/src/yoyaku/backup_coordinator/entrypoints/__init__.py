"""Where work comes in: the clock, questions, commands."""
