"""Eight years of a log in seconds: months are sealed, dropped and deleted as they go by, and nothing else is lost."""

import random
from datetime import timedelta
from typing import Any

import pytest

from yoyaku.audit_log.adapters.object_store import archive as object_store
from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.domain.segment import Whereabouts, whereabouts
from yoyaku.audit_log.usecases.archive_ports import SealedQuery
from yoyaku.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion

START = Month(2027, 1)
MONTHS = 96


@pytest.mark.requirement("AU-06")
async def test_eight_years_pass_and_every_entry_is_hot_sealed_or_deleted_by_a_recorded_fact(
    sealed_log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_sync(folder: object, name: str) -> None:
        """What is synced has a test of its own."""

    monkeypatch.setattr(object_store, "make_durable", no_sync)
    draw = random.Random(5)
    roots = []
    for index in range(MONTHS):
        begins_at = START.plus(index).begins_at
        await sealed_log.at(begins_at + timedelta(days=2), draw.choice([0, 1, 3, 8]))
        await sealed_log.take_in_what_was_told()
        roots.append(await sealed_log.keep_checkpoint())
        await sealed_log.seal()()
        await sealed_log.delete()()
    # The deletion that was recorded last is carried out as soon as its fact is proven.
    await sealed_log.take_in_what_was_told()
    roots.append(await sealed_log.keep_checkpoint())
    await sealed_log.delete()()
    segments = await sealed_log.reads.segments()
    total = roots[-1].size
    rows = await sealed_log.pool.fetch("SELECT position, leaf FROM audit_entry")
    hot = {row["position"]: row["leaf"] for row in rows}
    gone = [segment for segment in segments if segment.deleted_at is not None]
    # The last thing that happened: in December 2034 the December of 2027 is not over yet.
    assert {segment.month.year for segment in gone} == {2027}
    assert str(gone[-1].month) <= "2027-11"
    assert not await sealed_log.reads.deleted()
    # Each position is in one place; what is there proves itself against the newest checkpoint.
    sealed = {one.position: one.leaf for one in await sealed_log.reader().leaves(gone[-1].end_position, total)}
    newest = roots[-1]
    for position in range(total):
        place = whereabouts(position, segments)
        assert ((position in hot), (position in sealed)) == (place is Whereabouts.HOT, place is Whereabouts.SEALED)
        if position % 5 == 0 and place is not Whereabouts.DELETED:
            proof = await sealed_log.tree.inclusion_proof(1, position, total)
            verify_inclusion(position, total, leaf_hash((hot | sealed)[position]), proof, newest.root)
    for older in roots[::7]:
        proof = await sealed_log.tree.consistency_proof(1, older.size, total)
        verify_consistency(older.size, total, older.root, newest.root, proof)
    # Search finds what was recorded in each year, over all its months, but for what is deleted or hot.
    for year in range(2027, 2035):
        found, _ = await sealed_log.reader().find(SealedQuery(limit=500, actor=f"person/{year}"), 10**6)
        assert {one.place.position for one in found} == sealed_log.by_actor[f"person/{year}"] & sealed.keys()
        assert found
    assert sealed_log.types["audit.segment.deleted.v1"] == len(gone)
