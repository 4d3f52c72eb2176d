"""What comes and goes over the bus."""
