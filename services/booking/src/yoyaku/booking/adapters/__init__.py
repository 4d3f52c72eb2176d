"""How the ports are kept, by technology."""
