"""What people read when a request is refused, in English and Japanese (BK-10): one module a subject."""
