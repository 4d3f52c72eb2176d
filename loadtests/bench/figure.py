"""What a benchmark hands back, and the protocol by which the runner finds it.

A benchmark is any module of this package with a function `measure() -> list[Figure]`. Its servers are its own, its
baseline is measured in the same call.
"""

from dataclasses import asdict, dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure beside its baseline.

    `goal` is in the figure's own unit, `goal_ratio` a share of the baseline; a figure may have neither. `note` says
    what a reader must know to judge it. Where less is better, the goal is an upper limit.
    """

    name: str
    value: float
    unit: str
    baseline_name: str
    baseline: float
    goal: float | None = None
    goal_ratio: float | None = None
    less_is_better: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The figure as a share of its baseline; None without a baseline."""
        return self.value / self.baseline if self.baseline else None

    @property
    def is_met(self) -> bool | None:
        """Whether every stated goal is reached; None when none is stated."""
        pairs = [(self.value, self.goal), (self.ratio, self.goal_ratio)]
        stated = [(have, want) for have, want in pairs if have is not None and want is not None]
        if not stated:
            return None
        return all(have <= want if self.less_is_better else have >= want for have, want in stated)

    def as_record(self) -> dict[str, Any]:
        """Return everything as JSON can hold it, ratio and verdict included."""
        return {**asdict(self), "ratio": self.ratio, "is_met": self.is_met}


class Benchmark(Protocol):
    """A module that measures."""

    def measure(self) -> list[Figure]:
        """Start what is needed, measure, stop it, and return the figures in the order to print them."""
