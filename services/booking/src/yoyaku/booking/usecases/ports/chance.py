"""Time, ids and digests: what would make a use case unrepeatable if it took them by itself."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

Clock: TypeAlias = Callable[[], datetime]
"""The time now: aware, UTC."""


NewId: TypeAlias = Callable[[], UUID]
"""A fresh UUIDv7."""


NewSecret: TypeAlias = Callable[[], str]
"""A fresh text of 256 random bits, in ASCII."""


Digest: TypeAlias = Callable[[str], str]
"""A keyed hash: equal texts give equal digests, and nobody without the key can try texts out."""
