"""The worker's process: the outbox relay, the copy of the blocks, the repair of denials, expiry."""

from functools import partial

from yoyaku.booking.settings import SERVICE, WorkerSettings
from yoyaku.booking.wiring.worker import run_worker
from yoyaku.lifecycle.configuration import load
from yoyaku.lifecycle.process import run_process


def main() -> None:
    """Run until SIGTERM or SIGINT, then finish what is under way."""
    settings = load(WorkerSettings)
    run_process(SERVICE, partial(run_worker, settings), observability=settings.observability)
