"""How what a fact tells ended, by its type."""

import re
from functools import lru_cache
from typing import Final, Literal

Result = Literal["succeeded", "refused", "failed"]

_VERSION: Final = re.compile(r"\.v[0-9]+$")
_REFUSED: Final = frozenset({"login.failed", "access.denied", "request.throttled", "token.reused"})


@lru_cache(1024)
def result_of(event_type: str) -> Result:
    """Tell the result: somebody was not let, something went wrong, or else it was done.

    Reads the last two words before the version, so that types yet unknown are told apart by the same rule.
    """
    words = _VERSION.sub("", event_type).split(".")[-2:]
    if ".".join(words) in _REFUSED:
        return "refused"
    return "failed" if words[-1] == "failed" else "succeeded"
