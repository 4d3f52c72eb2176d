"""Tell how complete the log is, for people and dashboards; any replica can."""

from collections.abc import Sequence
from dataclasses import dataclass

from yoyaku.audit_log.domain.completeness import Reached
from yoyaku.audit_log.usecases.completeness_ports import Gap, Pages, SourceState, Standing, reached_by_source


@dataclass(frozen=True, slots=True)
class Completeness:
    """The last look and statement, how far each source is that has an entry, and the open gaps, the oldest first."""

    standing: Standing
    sources: Sequence[tuple[SourceState, Reached]]
    gaps: Sequence[Gap]


class TellCompleteness:
    """Reads what the leader's looks left."""

    def __init__(self, pages: Pages, *, sources: Sequence[str]) -> None:
        self._pages = pages
        self._sources = sources

    async def __call__(self) -> Completeness:
        """Read. Raises the errors of yoyaku.postgres."""
        standing = await self._pages.standing()
        gaps = await self._pages.open_gaps()
        states = [state for state in await self._pages.sources(self._sources) if state.highest or state.checked_to]
        reached = reached_by_source(states, gaps)
        return Completeness(standing, [(state, reached[state.source]) for state in states], gaps)
