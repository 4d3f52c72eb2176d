"""The facts a story states, each with what was seen when it was checked.

Invariant: a fact is recorded exactly once, at the moment of its check, held or not. The story is true when at least
one fact was stated and all of them held.
"""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fact:
    """One statement of the story, whether it held, and what was seen."""

    chapter: str
    text: str
    held: bool
    seen: str


class ChapterBrokenError(Exception):
    """A chapter cannot go on, because something it stands on did not hold."""


@dataclass(slots=True)
class Facts:
    """Every fact stated so far; `on_fact` hears each one."""

    on_fact: Callable[[Fact], None]
    stated: list[Fact] = field(default_factory=list)

    def state(self, chapter: str, text: str, *, held: bool, seen: object) -> bool:
        """Record a fact; return whether it held."""
        fact = Fact(chapter, text, held, shortened(seen))
        self.stated.append(fact)
        self.on_fact(fact)
        return held

    @property
    def failed(self) -> list[Fact]:
        """The facts that did not hold."""
        return [fact for fact in self.stated if not fact.held]

    @property
    def all_held(self) -> bool:
        """True when there are facts and none failed."""
        return bool(self.stated) and not self.failed


def shortened(value: object, *, limit: int = 400) -> str:
    """Return a value as text for people, cut at `limit` characters."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
