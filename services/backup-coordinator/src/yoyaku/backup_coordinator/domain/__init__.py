"""What the backup coordinator decides, with no I/O."""
