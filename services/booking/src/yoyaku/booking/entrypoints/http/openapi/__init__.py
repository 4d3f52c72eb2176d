"""How the API describes itself in the OpenAPI document."""
