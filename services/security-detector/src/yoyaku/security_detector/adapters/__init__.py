"""The world behind the ports, named by technology."""
