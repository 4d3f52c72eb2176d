"""Access tokens: JSON Web Tokens signed with Ed25519."""
