"""Takes backups on schedule and checks them."""
