"""iCalendar (RFC 5545), read and written with the icalendar library."""
