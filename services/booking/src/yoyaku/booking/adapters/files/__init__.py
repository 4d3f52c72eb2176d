"""Tables that people keep in files."""
