"""Blocks in the key-value bucket that the gateways watch."""
