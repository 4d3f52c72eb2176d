"""What a verification found: its words, and how two runs of hashes that disagree tell what was done to the entries."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

EDITED: Final = "edited"
DELETED: Final = "deleted"
INSERTED: Final = "inserted"
REORDERED: Final = "reordered"
BACK_DATED: Final = "back-dated"
TRUNCATED: Final = "truncated"
FORKED: Final = "forked"
REWRITTEN: Final = "rewritten"
UNCOSIGNED: Final = "uncosigned"
UNPROVEN: Final = "unproven"
BODY: Final = "body"
TILE: Final = "tile"
CHECKPOINT: Final = "checkpoint"
MALFORMED: Final = "malformed"
SHOWN: Final = 10
"""So many findings of one kind are told one by one; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was signed. `first` and `last` are positions, both concerned, None where none is."""

    kind: str
    where: str
    text: str
    first: int | None = None
    last: int | None = None

    def __str__(self) -> str:
        which = ""
        if self.first is not None:
            one = self.last is None or self.last == self.first
            which = f"entry {self.first}: " if one else f"entries {self.first} to {self.last}: "
        return f"{which}{self.kind}: {self.text} ({self.where})"


@dataclass(slots=True)
class Report:
    """What was checked, what was found, and what could not be checked."""

    origin: str = ""
    size: int = 0
    root: str = ""
    entries: int = 0
    first_position: int | None = None
    first_recorded_at: str = ""
    last_recorded_at: str = ""
    tiles: int = 0
    bodies: int = 0
    checkpoints: int = 0
    signatures: Counter[str] = field(default_factory=Counter)
    cosignatures: Counter[str] = field(default_factory=Counter)
    cosigned_entries: int = 0
    findings: list[Finding] = field(default_factory=list)
    further: Counter[str] = field(default_factory=Counter)
    not_checked: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def first(self) -> Finding | None:
        """The finding with the first position, those that only lost their proof last; without positions the first."""
        placed = [finding for finding in self.findings if finding.first is not None]
        by_place = sorted(placed, key=lambda finding: (finding.kind == UNPROVEN, finding.first))
        return next(iter(by_place), next(iter(self.findings), None))

    def add(self, finding: Finding) -> None:
        """Keep a finding, or count it when there are many of its kind."""
        if finding in self.findings:
            return
        if sum(known.kind == finding.kind for known in self.findings) < SHOWN:
            self.findings.append(finding)
        else:
            self.further[finding.kind] += 1

    def as_record(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        counted = {name: dict(getattr(self, name)) for name in ("signatures", "cosignatures", "further")}
        first = asdict(self.first) if self.first else None
        return {"whole": self.is_whole, "first": first, **asdict(self), **counted}

    def lines(self) -> Iterator[str]:
        """Say it to people: the verdict, the findings, what was checked and what was not."""
        yield f"{'WHOLE' if self.is_whole else 'DAMAGED'}  {self.origin or '(no checkpoint could be read)'}"
        if self.first is not None:
            yield f"first bad:    {self.first}"
        for finding in self.findings:
            if finding is not self.first:
                yield f"also:         {finding}"
        for kind, count in self.further.items():
            yield f"also:         {count:,} more of: {kind}"
        yield f"entries:      {self.entries:,} of {self.size:,}, hashed and decoded, positions and times compared"
        if self.last_recorded_at:
            yield f"recorded:     {self.first_recorded_at} to {self.last_recorded_at}"
        yield f"tree:         {self.tiles:,} hash tiles, {self.bodies:,} bodies beside, root {self.root}"
        yield f"checkpoints:  {self.checkpoints:,} with their roots computed again"
        for name, count in self.signatures.items():
            yield f"signed:       {count:,} by {name}"
        for name, count in self.cosignatures.items():
            yield f"cosigned:     {count:,} by {name}"
        for text in self.not_checked:
            yield f"not checked:  {text}"


@dataclass(frozen=True, slots=True)
class Window:
    """Some consecutive leaves as they stand, beside the hashes that the signed tree wants there, from `start` on.

    `before`: the leaf that stands before them. `problem` says why nothing can be read after the leaves. `far` returns
    the hash that is wanted at an index.
    """

    start: int
    before: bytes | None
    leaves: Sequence[bytes]
    have: Sequence[bytes]
    want: Sequence[bytes]
    problem: str
    far: Callable[[int], bytes | None]


def what_happened(window: Window, fields: Callable[[bytes], tuple[int | None, str]]) -> tuple[str, int, int, str]:
    """Say what was done at the first difference: kind, first and last index concerned, words.

    `fields` reads index and time of recording out of a leaf. Raises ValueError where there is no difference.
    """
    have, want, start = window.have, window.want, window.start
    both = min(len(have), len(want))
    at = next((i for i in range(both) if have[i] != want[i]), both)
    if at == both:
        return _at_the_end(window, at)
    index = start + at
    moved_to = have.index(want[at]) if want[at] in have else None
    belongs = want.index(have[at]) if have[at] in want else None
    if moved_to is not None and (belongs is None or belongs < at):
        return INSERTED, index, start + moved_to - 1, "what belongs here comes after it"
    if belongs is None:
        return _foreign(window, at, fields)
    if moved_to is not None:
        text = f"here stands entry {start + belongs}, and what belongs here stands at {start + moved_to}"
        return REORDERED, index, start + max(belongs, moved_to), text
    if belongs < at or have[belongs : belongs + 1] == [have[at]]:
        return EDITED, index, index, f"it was overwritten with a copy of entry {start + belongs}"
    return DELETED, index, start + belongs - 1, f"entry {start + belongs} stands in its place"


def _at_the_end(window: Window, at: int) -> tuple[str, int, int, str]:
    index = window.start + at
    if window.problem and at == len(window.want):
        return INSERTED, index, index, "the bundle goes on after its last entry"
    if window.problem:
        return EDITED, index, index, f"it cannot be read: {window.problem}"
    if at < len(window.want):
        return DELETED, index, window.start + len(window.want) - 1, "missing from the bundle"
    if at < len(window.have):
        return INSERTED, index, window.start + len(window.have) - 1, "more than the signed tree has"
    raise ValueError("nothing differs")


def _foreign(window: Window, at: int, fields: Callable[[bytes], tuple[int | None, str]]) -> tuple[str, int, int, str]:
    """Tell about an entry of which neither it nor what belongs there is near."""
    index = window.start + at
    inside, time = fields(window.leaves[at])
    if inside is not None and inside != index:
        if window.far(inside) == window.have[at]:
            return REORDERED, index, index, f"here stands entry {inside}"
        return EDITED, index, index, f"it was replaced: it says that it is entry {inside}"
    before = window.leaves[at - 1] if at else window.before
    if inside is not None and before is not None and time < fields(before)[1]:
        return BACK_DATED, index, index, f"its time of recording was set to {time}, before the entry before it"
    return EDITED, index, index, "it does not hash to what the signed tree holds"
