"""What an attack is and what is done against it: pure, replayable, no clock and no I/O of its own."""
