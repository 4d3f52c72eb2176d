"""What people do with the booking service: one verb a file, each calling ports only."""
