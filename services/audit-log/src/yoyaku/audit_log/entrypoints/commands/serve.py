"""`yoyaku audit serve`: run the service."""

import os
import sys


def serve_command() -> None:
    """Run the audit log in this process; settings come from the environment (AUDIT_LOG_...)."""
    os.execv(sys.executable, [sys.executable, "-m", "yoyaku.audit_log"])  # noqa: S606
