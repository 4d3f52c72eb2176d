"""The rules: how many of what, within which time, lead to which answer."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

FAILED_SIGN_INS_PER_ADDRESS: Final = "failed-sign-ins-per-address"

Severity = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True, slots=True)
class Rule:
    """So many failed sign-ins from one address within `window` (event time) block it for `block_for`."""

    threshold: int
    window: timedelta
    block_for: timedelta
    name: str = FAILED_SIGN_INS_PER_ADDRESS
    version: int = 1
    severity: Severity = "high"

    def __post_init__(self) -> None:
        if self.threshold < 1 or self.window <= timedelta() or self.block_for <= timedelta():
            raise ValueError("a rule needs a positive threshold, window and block")
