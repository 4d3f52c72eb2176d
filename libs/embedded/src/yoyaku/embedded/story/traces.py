"""Chapter: three traces are drawn as trees, each from its cause to the audit log."""

from collections.abc import Sequence

from yoyaku.embedded.story.facts import ChapterBrokenError
from yoyaku.embedded.story.stage import Stage
from yoyaku.embedded.telemetry_client import Span, Trace
from yoyaku.embedded.trace_tree import SpanNode, grow
from yoyaku.embedded.trace_view import TraceView

TRACE_SECONDS = 30.0
Step = tuple[str, str]
"""A service, and text in the name of one of its spans."""


async def drawn_as_trees(stage: Stage) -> None:
    """Draw the booking, the failed sign-in that led to the block, and the backup run."""
    stage.narrator.say("Every request left a trace through all the processes it touched. Three of them:")
    confirmed, failed, completed = (
        "booking.reservation.confirmed.v1",
        "identity.login.failed.v1",
        "backup.run.completed.v1",
    )
    await _draw(
        stage,
        "booking",
        stage.cast.trace("booking"),
        "Aiko's booking runs from the HTTP request through outbox and stream to the audit log",
        [[("booking", "POST"), ("booking", confirmed), ("audit-log", confirmed)]],
    )
    imposed = "security.block.imposed.v1"
    await _draw(
        stage,
        "failed sign-in",
        await _deciding_guess(stage),
        "the deciding guess runs from the HTTP request through the detector to the block, and to the audit log",
        [
            [
                ("booking", "POST"),
                ("booking", failed),
                ("security-detector", failed),
                ("security-detector", imposed),
                ("audit-log", imposed),
            ],
            [("booking", "POST"), ("booking", failed), ("audit-log", failed)],
        ],
    )
    await _draw(
        stage,
        "backup run",
        await _trace_of_backup(stage),
        "the backup runs from the coordinator through outbox and stream to the audit log",
        [[("backup-coordinator", ""), ("backup-coordinator", completed), ("audit-log", completed)]],
    )


async def _draw(stage: Stage, name: str, trace_id: str, claim: str, chains: Sequence[Sequence[Step]]) -> None:
    found = await stage.telemetry.settled_trace(
        trace_id,
        wait_seconds=TRACE_SECONDS,
        until=lambda trace: all(chain_in(trace, chain) is not None for chain in chains),
    )
    if found is None:
        stage.holds(claim, held=False, seen=f"the telemetry store holds no span of trace {trace_id!r}")
        return
    stage.narrator.show("")
    stage.narrator.show(TraceView(found, with_logs=False, hidden_kinds=frozenset({"client"})))
    missing = [chain for chain in chains if chain_in(found, chain) is None]
    stage.holds(claim, not missing, f"no such chain of spans: {missing}")
    stage.holds(f"the trace of the {name} is whole: no span lacks its parent", not grow(found).orphans, trace_id)


def chain_in(trace: Trace, chain: Sequence[Step]) -> list[Span] | None:
    """Return spans, each an ancestor of the next, that fit the steps in order; None when there are none."""
    for root in grow(trace).roots:
        if (found := _chain_below(root, chain)) is not None:
            return found
    return None


def _chain_below(node: SpanNode, chain: Sequence[Step]) -> list[Span] | None:
    service, text = chain[0]
    fits = node.span.service == service and text in _texts(node.span)
    rest, mine = (chain[1:], [node.span]) if fits else (chain, [])
    if not rest:
        return mine
    for child in node.children:
        if (found := _chain_below(child, rest)) is not None:
            return mine + found
    return None


def _texts(span: Span) -> str:
    """Return a span's name with the names of messages in its attributes."""
    return " ".join(
        [span.name, *(str(value) for key, value in span.attributes.items() if key.startswith("messaging."))]
    )


async def _deciding_guess(stage: Stage) -> str:
    """Return the trace of the guess that led to the block: the one the detector goes on in."""
    guesses = [trace_id for name, trace_id in stage.cast.traces.items() if name.startswith("guess ")]

    async def look() -> str | None:
        for trace_id in reversed(guesses):
            found = await stage.telemetry.trace(trace_id)
            if found and any("security.block.imposed.v1" in _texts(span) for span in found.spans):
                return trace_id
        return None

    deciding = await stage.eventually(look, lambda trace_id: trace_id is not None, within_seconds=TRACE_SECONDS)
    if deciding is None:
        raise ChapterBrokenError(f"none of the traces of the guesses leads to the block: {guesses}")
    return deciding


async def _trace_of_backup(stage: Stage) -> str:
    """Return the newest trace in which the coordinator emits the end of a run."""
    stage.cast.trace("backup run")

    async def look() -> str | None:
        listed = await stage.telemetry.newest(service="backup-coordinator", name="backup.run.completed.v1", limit=1)
        return listed[0].trace_id if listed else None

    newest = await stage.eventually(look, lambda trace_id: trace_id is not None, within_seconds=TRACE_SECONDS)
    if newest is None:
        raise ChapterBrokenError("no trace of the backup coordinator reached the telemetry store")
    return newest
