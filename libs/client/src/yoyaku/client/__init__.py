"""The typed, asynchronous client of the gateway, and the commands for people that are built on it."""
