"""What the audit log asks other services over the bus."""
