"""Draws one trace as a tree with bars, and a list of traces as a table.

A row is: the name at its place in the tree with a mark of its kind, the service in its colour, when it began after
the start of the trace, how long it took, and a bar in proportion. Errors are red, log lines hang at their span.
Rows fit the width of the console; without colours (piped) the same rows are readable.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from yoyaku.embedded.telemetry_client import LogLine, Span, Trace, TraceSummary
from yoyaku.embedded.trace_tree import SpanNode, grow

MIN_PLAIN_WIDTH = 100
_PALETTE = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
_SHOWN_ATTRIBUTES = 3
_TIME_WIDTH = 8
_GAPS = 4
_SHORTEST_BAR, _LONGEST_BAR = 10, 40
_SHORTEST_LABEL = 20
_WHOLE_ID, _SHORT_ID = 32, 10
_WIDTH_FOR_WHOLE_IDS = 110
_SEVERITY_STYLES = {"WARNING": "yellow", "WARN": "yellow", "ERROR": "red", "CRITICAL": "bold red"}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of the drawing; a terminal that has no Unicode gets ASCII."""

    branch: str
    last: str
    down: str
    log: str
    bar: str
    thin_bar: str
    missing: str
    kinds: dict[str, str]


UNICODE = Glyphs(
    branch="├─ ",
    last="╰─ ",
    down="│  ",
    log="┊ ",
    bar="█",
    thin_bar="▏",
    missing="⋯",
    kinds={"server": "▶", "client": "◀", "producer": "↗", "consumer": "↘", "internal": "•"},
)
ASCII = Glyphs(
    branch="|- ",
    last="`- ",
    down="|  ",
    log=": ",
    bar="#",
    thin_bar=".",
    missing="...",
    kinds={"server": ">", "client": "<", "producer": "^", "consumer": "v", "internal": "*"},
)


@dataclass(frozen=True, slots=True)
class _Row:
    label: Text
    span: Span | None


class TraceView:
    """A renderable of one trace."""

    def __init__(self, trace: Trace, *, with_logs: bool = True, hidden_kinds: frozenset[str] = frozenset()) -> None:
        self._trace = trace
        self._with_logs = with_logs
        self._hidden_kinds = hidden_kinds
        self._colours = service_colours([span.service for span in trace.spans])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the heading, the rows, the legend."""
        glyphs = glyphs_for(console)
        yield self._heading()
        yield from self._lines(glyphs, options.max_width)
        yield self._legend(glyphs)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Take the whole width."""
        width = options.max_width
        return Measurement(min(60, width), width)

    def _heading(self) -> Text:
        trace = self._trace
        text = Text.assemble(
            (trace.root_name, "bold"),
            ("  trace ", "dim"),
            (trace.trace_id, "bold cyan"),
            overflow="ellipsis",
            no_wrap=True,
        )
        facts = [
            duration(trace.duration_nano),
            _count(len(trace.spans), "span"),
            _count(len(trace.services), "service"),
        ]
        hidden = sum(self._is_hidden(node) for node in grow(trace).walk())
        if hidden:
            facts.append(f"{_count(hidden, 'call')} at the ends not drawn")
        if trace.refused_spans:
            facts.append(f"{_count(trace.refused_spans, 'span')} more not kept")
        text.append("\n" + " · ".join(facts), style="dim")
        if trace.error_count:
            text.append(f" · {_count(trace.error_count, 'error')}", style="bold red")
        return text

    def _lines(self, glyphs: Glyphs, width: int) -> Iterator[Text]:
        rows = list(self._rows(glyphs))
        service_width = min(20, max((len(service) for service in self._trace.services), default=0))
        spare = width - service_width - 2 * _TIME_WIDTH - _GAPS
        wanted = max((row.label.cell_len for row in rows if row.span is not None), default=0)
        bar_width = max(_SHORTEST_BAR, min(_LONGEST_BAR, spare - wanted))
        label_width = max(_SHORTEST_LABEL, spare - bar_width)
        for row in rows:
            if row.span is None:
                row.label.truncate(width, overflow="ellipsis")
                yield row.label
                continue
            row.label.truncate(label_width, overflow="ellipsis", pad=True)
            cells = [row.label, *self._measures(row.span, service_width), self._bar(row.span, bar_width, glyphs)]
            yield Text(" ").join(cells)

    def _measures(self, span: Span, service_width: int) -> tuple[Text, Text, Text]:
        service = Text(span.service, style=self._colours[span.service])
        service.truncate(service_width, overflow="ellipsis", pad=True)
        offset = span.start_unix_nano - self._trace.start_unix_nano
        begins = "+" + duration(offset) if offset else "0"
        took = duration(span.end_unix_nano - span.start_unix_nano)
        return (
            service,
            Text(begins.rjust(_TIME_WIDTH), style="dim"),
            Text(took.rjust(_TIME_WIDTH), style="bold red" if span.failed else ""),
        )

    def _bar(self, span: Span, width: int, glyphs: Glyphs) -> Text:
        style = "red" if span.failed else self._colours[span.service]
        total = max(1, self._trace.duration_nano)
        begin = round((span.start_unix_nano - self._trace.start_unix_nano) / total * width)
        end = round((span.end_unix_nano - self._trace.start_unix_nano) / total * width)
        begin = max(0, min(begin, width - 1))
        drawn = glyphs.bar * (min(end, width) - begin) if end > begin else glyphs.thin_bar
        return Text(" " * begin + drawn, style=style, no_wrap=True)

    def _rows(self, glyphs: Glyphs) -> Iterator[_Row]:
        tree = grow(self._trace)
        for root in tree.roots:
            yield from self._subtree(root, "", "", glyphs)
        for missing in tree.orphans:
            label = f"{glyphs.missing} parent {missing.span_id} was not received"
            yield _Row(Text(label, style="italic yellow"), None)
            yield from self._children(missing.children, "", glyphs)
        if self._with_logs:
            for line in tree.loose_logs:
                yield self._log_row(line, "", glyphs)

    def _subtree(self, node: SpanNode, lead: str, below: str, glyphs: Glyphs) -> Iterator[_Row]:
        span = node.span
        label = Text.assemble((lead, "dim"))
        label.append(glyphs.kinds.get(span.kind, " ") + " ", style=self._colours[span.service])
        label.append(span.name, style="bold red" if span.failed else "")
        yield _Row(label, span)
        children = [child for child in node.children if not self._is_hidden(child)]
        rail = below + (glyphs.down if children else "   ")
        if span.failed and span.status_message:
            yield _Row(Text.assemble((rail, "dim"), (span.status_message.splitlines()[0], "red")), None)
        if self._with_logs:
            for line in node.logs:
                yield self._log_row(line, rail, glyphs)
        yield from self._children(children, below, glyphs)

    def _is_hidden(self, node: SpanNode) -> bool:
        """True for a span at the end of a branch of a kind that is not to be drawn; errors are always drawn."""
        return node.span.kind in self._hidden_kinds and not node.children and not node.span.failed

    def _children(self, children: Sequence[SpanNode], below: str, glyphs: Glyphs) -> Iterator[_Row]:
        for position, child in enumerate(children):
            is_last = position == len(children) - 1
            lead = below + (glyphs.last if is_last else glyphs.branch)
            yield from self._subtree(child, lead, below + ("   " if is_last else glyphs.down), glyphs)

    def _log_row(self, line: LogLine, rail: str, glyphs: Glyphs) -> _Row:
        style = _SEVERITY_STYLES.get(line.severity.upper(), "dim")
        fields = [
            f"{key}={value}"
            for key, value in line.attributes.items()
            if not key.startswith(("code.", "trace_", "span_"))
        ]
        text = " ".join([line.body, *fields[:_SHOWN_ATTRIBUTES]])
        return _Row(Text.assemble((rail, "dim"), (glyphs.log, "dim"), (f"{line.severity.lower()} {text}", style)), None)

    def _legend(self, glyphs: Glyphs) -> Text:
        kinds = sorted({span.kind for span in self._trace.spans if span.kind in glyphs.kinds})
        text = Text.assemble(("  ".join(f"{glyphs.kinds[kind]} {kind}" for kind in kinds), "dim"))
        for service in self._colours:
            text.append("  ")
            text.append(service, style=self._colours[service])
        return text


def traces_table(summaries: Sequence[TraceSummary], console: Console) -> Table:
    """Return the newest traces as a table; on a narrow terminal ids are the digits that `yoyaku trace` needs."""
    plain = not console.is_terminal
    wide = plain or console.width >= MIN_PLAIN_WIDTH
    id_digits = _WHOLE_ID if plain or console.width >= _WIDTH_FOR_WHOLE_IDS else _SHORT_ID
    table = Table(expand=True, box=None if plain else box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column("began (UTC)" if wide else "UTC", no_wrap=True, width=12 if wide else 8)
    table.add_column("trace", no_wrap=True, width=id_digits)
    table.add_column("begins with", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("took", justify="right", no_wrap=True, width=7)
    table.add_column("spans", justify="right", no_wrap=True, width=5)
    if wide:
        table.add_column("services", no_wrap=True, justify="right", width=8)
    colours = service_colours([summary.root_service for summary in summaries])
    for summary in summaries:
        began = datetime.fromtimestamp(summary.start_unix_nano / 1e9, tz=UTC)
        table.add_row(
            Text(began.strftime("%H:%M:%S.%f")[:-3] if wide else began.strftime("%H:%M:%S"), style="dim"),
            Text(summary.trace_id[:id_digits], style="cyan"),
            Text(summary.root_name, style="bold red" if summary.error_count else colours[summary.root_service]),
            duration(summary.duration_nano),
            str(summary.span_count),
            *([str(len(summary.services))] if wide else []),
        )
    return table


def service_colours(services: Sequence[str]) -> dict[str, str]:
    """Give each service a colour, in the order of first appearance."""
    return {service: _PALETTE[i % len(_PALETTE)] for i, service in enumerate(dict.fromkeys(services))}


def glyphs_for(console: Console) -> Glyphs:
    """Return the characters this console can show."""
    return UNICODE if console.encoding.lower().startswith("utf") else ASCII


def duration(nanoseconds: int) -> str:
    """Return a duration with three significant digits and its unit, from µs to s."""
    seconds = nanoseconds / 1e9
    if abs(seconds) >= 1:
        return f"{seconds:.2f} s"
    if abs(seconds) >= 0.001:
        milliseconds = seconds * 1000
        return f"{milliseconds:.0f} ms" if milliseconds >= 100 else f"{milliseconds:.1f} ms"
    return f"{seconds * 1e6:.0f} µs"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
