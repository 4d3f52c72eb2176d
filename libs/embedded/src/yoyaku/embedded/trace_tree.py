"""Puts the spans of a trace into the order in which a tree is read: pure, knows nothing of drawing.

Invariant: every span is placed exactly once, whatever parents the spans claim to have. A span whose parent is not
held hangs under a marked place that names the parent; spans that claim each other as parents hang there too.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from yoyaku.embedded.telemetry_client import LogLine, Span, Trace


@dataclass(slots=True)
class SpanNode:
    """A span with what hangs below it."""

    span: Span
    logs: list[LogLine] = field(default_factory=list)
    children: list["SpanNode"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MissingParent:
    """The place of a span that was never received, with the spans that name it as their parent."""

    span_id: str
    children: list[SpanNode]


@dataclass(frozen=True, slots=True)
class TraceTree:
    """Roots in the order of time, then the orphans, then log lines of no span that is held."""

    roots: list[SpanNode]
    orphans: list[MissingParent]
    loose_logs: list[LogLine]

    def walk(self) -> Iterator[SpanNode]:
        """Yield every node, parents first."""
        waiting = [*self.roots, *(node for missing in self.orphans for node in missing.children)][::-1]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def path(self, *names: str) -> list[Span] | None:
        """Return spans, each an ancestor of the next, whose names hold these texts in this order; None without."""
        for root in self.roots:
            if (found := _path(root, names)) is not None:
                return found
        return None


def grow(trace: Trace) -> TraceTree:
    """Return the tree of a trace."""
    nodes = {span.span_id: SpanNode(span) for span in trace.spans}
    loose: list[LogLine] = []
    for line in trace.logs:
        node = nodes.get(line.span_id or "")
        (node.logs if node else loose).append(line)
    roots: list[SpanNode] = []
    by_missing: dict[str, list[SpanNode]] = defaultdict(list)
    for node in _by_start(nodes.values()):
        parent_id = node.span.parent_span_id
        if parent_id is None:
            roots.append(node)
        elif parent_id not in nodes:
            by_missing[parent_id].append(node)
        elif not _descends(nodes, ancestor=node.span.span_id, of=parent_id):
            nodes[parent_id].children.append(node)
        else:
            by_missing[parent_id].append(node)
    return TraceTree(roots, [MissingParent(span_id, found) for span_id, found in by_missing.items()], loose)


def _descends(nodes: dict[str, SpanNode], *, ancestor: str, of: str) -> bool:
    """True when following the parents from `of` leads round to `ancestor`."""
    seen: set[str] = set()
    current: str | None = of
    while current is not None and current in nodes and current not in seen:
        if current == ancestor:
            return True
        seen.add(current)
        current = nodes[current].span.parent_span_id
    return False


def _by_start(nodes: Iterable[SpanNode]) -> list[SpanNode]:
    return sorted(nodes, key=lambda node: (node.span.start_unix_nano, node.span.span_id))


def _path(node: SpanNode, names: Sequence[str]) -> list[Span] | None:
    if not names:
        return []
    rest = names[1:] if names[0] in node.span.name else names
    mine = [node.span] if rest is not names else []
    if not rest:
        return mine
    for child in node.children:
        if (found := _path(child, rest)) is not None:
            return mine + found
    return None
