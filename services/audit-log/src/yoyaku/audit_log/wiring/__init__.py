"""Puts the audit log together: one module for each part; `service` runs them."""
