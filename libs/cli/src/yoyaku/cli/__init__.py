"""The one command line: finds each package's commands by entry point."""
