"""The doors: HTTP for people and programs, commands for the machine's operator."""
