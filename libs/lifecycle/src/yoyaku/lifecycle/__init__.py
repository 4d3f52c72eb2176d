"""How the process of a service starts, works, says how it is, and ends."""
