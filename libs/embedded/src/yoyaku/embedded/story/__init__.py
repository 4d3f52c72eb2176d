"""The story that `yoyaku demo` plays on real servers, and checks: one chapter a file, in the order of `play.py`."""
