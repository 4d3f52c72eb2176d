"""What the audit log decides, with no I/O."""
