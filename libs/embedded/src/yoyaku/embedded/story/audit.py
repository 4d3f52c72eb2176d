"""Chapter: the audit log shows each fact, with its position."""

from collections.abc import Mapping
from typing import Any

from yoyaku.embedded.story.facts import ChapterBrokenError
from yoyaku.embedded.story.stage import AuditExpectation, Stage, described

PAGE = 200
MAX_PAGES = 200

Entry = Mapping[str, Any]


class AuditReader:
    """Reads the audit log as an ADMIN, page by page, each entry once."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.entries: list[Entry] = []

    async def read_on(self) -> list[Entry]:
        """Read what is new; return all entries read so far. Raises ChapterBrokenError when refused.

        It ends where the log ended when it began: each page that is read becomes an entry itself.
        """
        query: dict[str, str | int] = {"limit": PAGE}
        for _ in range(MAX_PAGES):
            query["after"] = self.entries[-1]["position"] if self.entries else -1
            answer = await self._stage.get("/api/v1/audit/entries", self._stage.cast.admin, **query)
            if answer.status_code != 200:
                raise ChapterBrokenError(f"the audit log answered {described(answer)}")
            page = answer.json()
            self.entries.extend(page["items"])
            if "next" not in answer.links:
                break
            query["until"] = page["until"]
        return self.entries


def found_in(entries: list[Entry], expectation: AuditExpectation) -> list[Entry]:
    """Return the entries that show an expected fact."""
    return [entry for entry in entries if entry.get("type") == expectation.type and expectation.matches(entry)]


async def everything_is_recorded(stage: Stage) -> None:
    """Each fact of the story so far stands in the audit log, once, at a position; positions have no gaps."""
    wanted = stage.cast.in_audit
    stage.narrator.say(
        "The administrator opens the audit log. Everything that happened must be in it, once, in one order."
    )
    reader = AuditReader(stage)
    entries = await stage.eventually(
        reader.read_on, lambda entries: all(found_in(entries, expectation) for expectation in wanted)
    )
    rows = []
    for expectation in wanted:
        found = found_in(entries, expectation)
        if found:
            entry = found[0]
            rows.append(
                (str(entry["position"]), expectation.label, str(entry["type"]), str(entry["client_address"] or ""))
            )
    rows.sort(key=lambda row: int(row[0]))
    stage.narrator.table(("position", "what happened", "event", "from"), rows, right=(0,))
    missing = [expectation.label for expectation in wanted if not found_in(entries, expectation)]
    stage.holds(f"all {len(wanted)} facts of the story stand in the audit log", not missing, f"missing: {missing}")
    check_order(stage, entries)


def check_order(stage: Stage, entries: list[Entry]) -> None:
    """State that positions run without a gap and that no event and no number of a source is there twice."""
    positions = [entry["position"] for entry in entries]
    stage.holds(
        f"positions run from 0 to {len(entries) - 1} without a gap",
        positions == list(range(len(entries))),
        positions[:20],
    )
    by_source = [(entry["source"], entry["number"]) for entry in entries if entry.get("source")]
    ids = [entry["event_id"] for entry in entries if entry.get("event_id")]
    stage.holds(
        "no event is recorded twice",
        len(set(by_source)) == len(by_source) and len(set(ids)) == len(ids),
        f"{len(entries)} entries, {len(set(ids))} event ids, {len(set(by_source))} numbers",
    )
