"""The world outside, named by technology."""
