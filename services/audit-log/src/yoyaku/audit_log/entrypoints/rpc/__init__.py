"""Questions in, answered by any replica, a module each."""
