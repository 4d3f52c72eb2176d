"""Chapter: one booking is proven to somebody who trusts nobody here, and a byte that a superuser flips is found."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from yoyaku.embedded.story.facts import ChapterBrokenError
from yoyaku.embedded.story.stage import Stage, described

_READ = "SELECT leaf FROM audit_entry WHERE position = $1"
_WRITE = "UPDATE audit_entry SET leaf = $2 WHERE position = $1"
_ROOM = b'"room_id":'
_SHOWN = ("first bad:", "entries:", "signed:", "cosigned:", "type:", "subject:")
_WIDTH = 96
_WITNESS_LINE = "Key: "
DAMAGED = 1


@dataclass(frozen=True, slots=True)
class Keys:
    """What an outsider is given once, on a way of its own: the public keys."""

    log: str
    witness: str

    @property
    def options(self) -> tuple[str, ...]:
        """The options of the verifier."""
        return ("--key", self.log, "--witness", self.witness)


async def booking_is_proven(stage: Stage) -> None:
    """The log is exported and verified far from here; with one byte flipped, a new export names the entry."""
    outside = stage.house.data / "outside"
    entry = await _entry_of_the_booking(stage)
    position = int(entry["position"])
    stage.narrator.say(
        "An outsider wants proof that Aiko booked, and trusts nobody here. They get two public keys, the log's and its "
        "witness's, and files."
    )
    keys = await _keys(stage)
    exported = await stage.house.operate("audit", "export", "--to", str(outside / "export"))
    _show(stage, "yoyaku audit export --to export")
    stage.must_hold("the audit log is exported as files", (outside / "export" / "checkpoint").exists(), exported)
    await _verified(stage, "without database, network or service, the export is whole", outside / "export", keys)
    await _one_file_proves(stage, entry, outside / "booking.tlog-proof", keys)
    await _byte_is_flipped_and_put_back(stage, position, outside, keys)


async def _keys(stage: Stage) -> Keys:
    of_log, of_witness = await asyncio.gather(
        stage.house.operate("audit", "keys", "list"), stage.house.operate("security", "witness")
    )
    told = [line.removeprefix(_WITNESS_LINE) for line in of_witness.splitlines() if line.startswith(_WITNESS_LINE)]
    if not of_log.strip() or not told:
        raise ChapterBrokenError(f"no key of the log or of the witness was told: {of_log} {of_witness}")
    keys = Keys(of_log.split()[0], told[0].strip())
    _show(stage, "yoyaku audit keys list", keys.log)
    _show(stage, "yoyaku security witness", keys.witness)
    return keys


async def _one_file_proves(stage: Stage, entry: dict[str, Any], proof: Path, keys: Keys) -> None:
    async def prove() -> str:
        await stage.house.operate("audit", "prove", str(entry["event_id"]), "--to", str(proof))
        return await asyncio.to_thread(proof.read_text, encoding="utf-8")

    witness = keys.witness.partition("+")[0]
    await stage.eventually(prove, lambda text: witness in text)
    code, words = await stage.house.outside("audit", "check", str(proof), *keys.options)
    _show(stage, f"yoyaku audit prove {entry['event_id']} --to {proof.name}")
    _show(stage, f"yoyaku audit check {proof.name} --key … --witness …", words)
    stage.holds(
        f"one file and the keys prove that entry {entry['position']} is Aiko's booking",
        code == 0 and "PROVEN" in words and f"reservation/{stage.cast.reservation['id']}" in words,
        words,
    )


async def _byte_is_flipped_and_put_back(stage: Stage, position: int, outside: Path, keys: Keys) -> None:
    stage.narrator.say(
        "Somebody with all rights over the database switches the triggers off and changes one byte of that entry: the "
        "number of its room."
    )
    leaf = await _leaf_of(stage, position)
    place = leaf.index(_ROOM) + len(_ROOM)
    forged = leaf[:place] + bytes([leaf[place] ^ 1]) + leaf[place + 1 :]
    await _overwrite(stage, position, forged)
    try:
        stage.holds("the database says what they want", await _leaf_of(stage, position) == forged, position)
        await stage.house.operate("audit", "export", "--to", str(outside / "forged"))
        code, words = await stage.house.outside("audit", "verify", str(outside / "forged"), *keys.options)
        _show(stage, "yoyaku audit export --to forged")
        _show(stage, "yoyaku audit verify forged --key … --witness …", words)
        stage.holds(
            f"the verifier refuses the new export and names entry {position}",
            code == DAMAGED and words.startswith("DAMAGED") and _names(words, position),
            words,
        )
    finally:
        await _overwrite(stage, position, leaf)
    await stage.house.operate("audit", "export", "--to", str(outside / "healed"))
    _show(stage, "yoyaku audit export --to healed")
    await _verified(stage, "with the byte put back, the log is whole again", outside / "healed", keys)


async def _verified(stage: Stage, text: str, folder: Path, keys: Keys) -> None:
    code, words = await stage.house.outside("audit", "verify", str(folder), *keys.options)
    _show(stage, f"yoyaku audit verify {folder.name} --key … --witness …", words)
    stage.holds(text, code == 0 and words.startswith("WHOLE"), words)


def _names(words: str, position: int) -> bool:
    return any(line.split()[:4] == ["first", "bad:", "entry", f"{position}:"] for line in words.splitlines())


def _show(stage: Stage, typed: str, words: str = "") -> None:
    """Show a command, and of its answer the first line and those that matter, each on one line."""
    lines = words.splitlines()
    said = lines[:1] + [line for line in lines[1:] if line.startswith(_SHOWN)]
    shown = Text(f"$ {typed}", style="bold")
    for line in said:
        shown.append("\n" + (line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"), style="not bold dim")
    stage.narrator.show(shown)


async def _entry_of_the_booking(stage: Stage) -> dict[str, Any]:
    answer = await stage.get(
        "/api/v1/audit/entries",
        stage.cast.admin,
        type="booking.reservation.confirmed.v1",
        subject=f"reservation/{stage.cast.reservation['id']}",
    )
    if answer.status_code != 200 or len(answer.json()["items"]) != 1:
        raise ChapterBrokenError(f"the audit log answered {described(answer)}")
    found: dict[str, Any] = answer.json()["items"][0]
    return found


async def _leaf_of(stage: Stage, position: int) -> bytes:
    leaf: bytes = await stage.house.as_superuser("audit", _READ, position)
    return leaf


async def _overwrite(stage: Stage, position: int, leaf: bytes) -> None:
    await stage.house.as_superuser("audit", _WRITE, position, leaf)
