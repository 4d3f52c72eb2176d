"""Which epoch is the newest, of rows that a superuser may have written."""

from typing import Final

NEWEST_FIRST: Final = """
    first_position::numeric < coalesce((SELECT max(next_position) FROM audit_head), 0)::numeric + 4294967296 DESC,
    first_position DESC,
    (split_part(origin, '/', 3) = epoch::text AND epoch < 1000000000) DESC,
    epoch DESC
"""
"""Order of `audit_epoch`: what begins last, never the number, which would keep every later epoch from being the newest.

One that begins further above the head than positions were ever given out (`obstacles.FURTHEST`) is passed over.
"""
