"""Memory that the workers of one gateway share."""
