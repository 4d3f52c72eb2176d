"""`yoyaku audit`: read and check the audit log of a running system, or run the service.

Each command is a module of `commands`, and a line here. Exit codes: see `commands/asking.py`.
"""

import typer

from yoyaku.audit_log.entrypoints.commands.search import entries_command
from yoyaku.audit_log.entrypoints.commands.serve import serve_command
from yoyaku.audit_log.entrypoints.commands.verify import check_command, verify_command

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The audit log: every event, in gap-free positions.")

app.command("entries")(entries_command)
app.command("verify")(verify_command)
app.command("check")(check_command)
app.command("serve")(serve_command)
