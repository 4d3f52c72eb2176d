"""Draws the memory of every process over time as one SVG: a small chart each, with a scale of its own from zero."""

from collections.abc import Sequence
from html import escape

from loadtests.memory import MemoryLog, Trend

WIDTH, LEFT, RIGHT = 860, 250, 110
PANEL, GAP, TOP = 64, 22, 56
INK, FAINT, LINE, BAD = "#1f2933", "#9aa5b1", "#2f6f9f", "#b3261e"


def draw(log: MemoryLog, trends: dict[str, Trend], title: str, warmup_share: float) -> str:
    """Return the picture as text."""
    names = sorted(log.processes)
    height = TOP + len(names) * (PANEL + GAP) + 30
    span = max(log.seconds[-1], 1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12" fill="{INK}">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="16" y="26" font-size="16" font-weight="600">{escape(title)}</text>',
        f'<text x="16" y="44" fill="{FAINT}">proportional set size; grey is the warm-up, judged is the rest</text>',
    ]
    for row, name in enumerate(names):
        parts += _panel(TOP + row * (PANEL + GAP), name, log, trends.get(name), span, warmup_share)
    bottom = TOP + len(names) * (PANEL + GAP) + 4
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = LEFT + share * (WIDTH - LEFT - RIGHT)
        parts.append(
            f'<text x="{at:.1f}" y="{bottom}" text-anchor="middle" fill="{FAINT}">{_clock(share * span)}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _panel(top: int, name: str, log: MemoryLog, trend: Trend | None, span: float, warmup_share: float) -> list[str]:
    values = log.processes[name]
    highest = max(values) * 1.15 or 1.0
    right = WIDTH - RIGHT
    grey = LEFT + warmup_share * (right - LEFT)
    colour = BAD if trend is not None and trend.grows else LINE
    points = " ".join(
        f"{LEFT + at / span * (right - LEFT):.1f},{top + PANEL - value / highest * PANEL:.1f}"
        for at, value in _thinned(list(zip(log.seconds[-len(values) :], values, strict=True)))
    )
    told = "" if trend is None else f"{trend.gained:+.1f} MiB after the warm-up"
    return [
        f'<rect x="{LEFT}" y="{top}" width="{grey - LEFT:.1f}" height="{PANEL}" fill="#f1f3f5"/>',
        f'<line x1="{LEFT}" y1="{top + PANEL}" x2="{right}" y2="{top + PANEL}" stroke="{FAINT}"/>',
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
        f'<text x="16" y="{top + 26}" font-weight="600">{escape(name)}</text>',
        f'<text x="16" y="{top + 44}" fill="{colour}">{told}</text>',
        f'<text x="{right + 10}" y="{top + 26}">{values[-1]:.0f} MiB</text>',
        f'<text x="{right + 10}" y="{top + 44}" fill="{FAINT}">peak {max(values):.0f}</text>',
    ]


def _thinned(points: Sequence[tuple[float, float]], most: int = 600) -> Sequence[tuple[float, float]]:
    return points[:: max(1, len(points) // most)]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
