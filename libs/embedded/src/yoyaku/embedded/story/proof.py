"""Chapter: one booking is proven to somebody who trusts nobody here, and a byte that a superuser flips is found."""

import json
from pathlib import Path
from typing import Any

from yoyaku.embedded.story.facts import ChapterBrokenError
from yoyaku.embedded.story.stage import Stage, described

_READ = "SELECT leaf FROM audit_entry WHERE position = $1"
_WRITE = "UPDATE audit_entry SET leaf = $2 WHERE position = $1"
_ROOM = b'"room_id":'
DAMAGED = 1


async def booking_is_proven(stage: Stage) -> None:
    """The log is exported and verified far from here; with one byte flipped, a new export names the entry."""
    outside = stage.house.data / "outside"
    entry = await _entry_of_the_booking(stage)
    position = int(entry["position"])
    stage.narrator.say(
        "An outsider wants proof that Aiko booked, and trusts nobody here. They get files and the log's public key."
    )
    key = (await stage.house.operate("audit", "keys", "list")).strip()
    exported = await stage.house.operate("audit", "export", "--to", str(outside / "export"))
    stage.must_hold("the audit log is exported as files", (outside / "export" / "checkpoint").exists(), exported)
    await _verified(stage, "without database, network or service, the export is whole", outside / "export", key)
    proof = outside / "booking.tlog-proof"
    await stage.house.operate("audit", "prove", str(entry["event_id"]), "--to", str(proof))
    code, words = await stage.house.outside("audit", "check", str(proof), "--key", key)
    stage.holds(
        f"one file and the key prove that entry {position} is Aiko's booking",
        code == 0 and "PROVEN" in words and f"reservation/{stage.cast.reservation['id']}" in words,
        words,
    )
    await _byte_is_flipped_and_put_back(stage, position, outside, key)


async def _byte_is_flipped_and_put_back(stage: Stage, position: int, outside: Path, key: str) -> None:
    stage.narrator.say(
        "Somebody with all rights over the database switches the triggers off and moves that booking to another room."
    )
    leaf = await _leaf_of(stage, position)
    place = leaf.index(_ROOM) + len(_ROOM)
    forged = leaf[:place] + bytes([leaf[place] ^ 1]) + leaf[place + 1 :]
    await _overwrite(stage, position, forged)
    try:
        stage.holds("the database says what they want", await _leaf_of(stage, position) == forged, position)
        await stage.house.operate("audit", "export", "--to", str(outside / "forged"))
        code, words = await stage.house.outside("audit", "verify", str(outside / "forged"), "--key", key, "--json")
        report: dict[str, Any] = json.loads(words)
        stage.holds(
            f"the verifier refuses the new export and names entry {position}",
            code == DAMAGED and _names(report, position),
            report["first"],
        )
    finally:
        await _overwrite(stage, position, leaf)
    await stage.house.operate("audit", "export", "--to", str(outside / "healed"))
    await _verified(stage, "with the byte put back, the log is whole again", outside / "healed", key)


async def _verified(stage: Stage, text: str, folder: Path, key: str) -> None:
    code, words = await stage.house.outside("audit", "verify", str(folder), "--key", key)
    stage.holds(text, code == 0 and words.startswith("WHOLE"), words)


def _names(report: dict[str, Any], position: int) -> bool:
    return bool(report["first"]) and report["first"]["first"] == position


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
