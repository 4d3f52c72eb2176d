"""The commands of `yoyaku audit`, a module each."""
