"""What the audit log does, one verb a module."""
