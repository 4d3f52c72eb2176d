"""The gateway, rooms, reservations, people and sign-in."""
