"""The rules of booking a room: pure, with the clock and every id passed in."""
