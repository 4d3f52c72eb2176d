"""Where the log ends, for readers: also while its head row is missing, or names a position that nothing has.

What was recorded has a row for ever, also after its month left the database. The sequencer holds the head row itself.
"""

from typing import Final

NEXT_POSITION: Final = """
coalesce(least((SELECT next_position FROM audit_head), (SELECT max(position) + 1 FROM audit_recorded)), 0)
"""
