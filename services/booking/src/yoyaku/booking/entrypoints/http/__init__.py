"""The gateway: REST under /api/v1, health, and the API's own documentation."""
