"""Loaded by schemathesis, not by pytest: what the person that it signs in as must not do to itself.

An ADMIN that disables itself, gives itself another password or another role ends the run: all that follows is refused.
"""

import os
from typing import Any, Final

import schemathesis

_OWN_ID: Final = os.environ.get("FUZZ_OWN_ID", "")
_NOBODY: Final = "00000000-0000-4000-8000-000000000000"


@schemathesis.hook
def before_call(_context: Any, case: Any, _arguments: dict[str, Any]) -> None:
    """Let a change of the own account be a change of nobody's."""
    sent = case.path_parameters or {}
    if _OWN_ID and sent.get("user_id") == _OWN_ID and case.method.upper() != "GET":
        case.path_parameters = {**sent, "user_id": _NOBODY}
