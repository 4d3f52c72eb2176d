"""Event models, subjects and the CloudEvents envelope: data only."""
