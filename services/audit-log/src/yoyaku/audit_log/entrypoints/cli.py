"""`yoyaku audit`: read and check the audit log of a running system, or run the service.

Each command is a module of `commands`, and a line here. Exit codes: see `commands/asking.py`.
"""

import typer

from yoyaku.audit_log.entrypoints.commands.checkpoint import checkpoint_command
from yoyaku.audit_log.entrypoints.commands.completeness import completeness_command
from yoyaku.audit_log.entrypoints.commands.export import export_command
from yoyaku.audit_log.entrypoints.commands.forget import forget_command
from yoyaku.audit_log.entrypoints.commands.keys import keys_app
from yoyaku.audit_log.entrypoints.commands.seal import seal_command, segments_command
from yoyaku.audit_log.entrypoints.commands.search import search_command, story_command
from yoyaku.audit_log.entrypoints.commands.serve import serve_command
from yoyaku.audit_log.entrypoints.commands.show import prove_command, show_command
from yoyaku.audit_log.entrypoints.commands.status import status_command
from yoyaku.audit_log.entrypoints.commands.verify import check_command, verify_command
from yoyaku.audit_log.entrypoints.commands.watch import watch_command

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The audit log: every event, in gap-free positions.")

app.command("search")(search_command)
app.command("show")(show_command)
app.command("story")(story_command)
app.command("prove")(prove_command)
app.command("export")(export_command)
app.command("checkpoint")(checkpoint_command)
app.command("verify")(verify_command)
app.command("check")(check_command)
app.command("completeness")(completeness_command)
app.command("status")(status_command)
app.command("watch")(watch_command)
app.command("forget")(forget_command)
app.add_typer(keys_app, name="keys")
app.command("seal")(seal_command)
app.command("segments")(segments_command)
app.command("serve")(serve_command)
