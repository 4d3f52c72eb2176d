"""What the backup coordinator does, one verb a module."""
