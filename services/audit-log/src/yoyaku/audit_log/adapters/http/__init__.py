"""What the audit log asks over HTTPS."""
