"""Rounds of sealing: one at a time, a failure is told and stops nothing, a standby refuses."""

import asyncio
from dataclasses import replace
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest

from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.entrypoints.rpc.segments import NOT_LEADING, OnSeal
from yoyaku.audit_log.entrypoints.sealing import Rounds, TermOfSealing
from yoyaku.audit_log.usecases.archive_ports import ArchiveDamagedError, ArchiveUnavailableError
from yoyaku.audit_log.usecases.delete_segments import Deletion
from yoyaku.audit_log.usecases.seal_months import Sealing
from yoyaku.contracts.rpc import AuditLogSealRequest
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.messaging.rpc import RpcFailedError
from yoyaku.observability.health import Status

JANUARY = Month(2027, 1)
ASKED = AuditLogSealRequest(requested_by="operator", last_month="2027-01")


class Parts:
    """What a term calls, in order; `fails` is raised where it says."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.fails: dict[str, Exception] = {}
        self.reported: list[str] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    def does(self, name: str, result: object = None) -> Any:
        async def do(*arguments: object) -> object:
            self.calls.append((name, *arguments))
            await self.may_go_on.wait()
            if name in self.fails:
                raise self.fails[name]
            return result

        return do

    async def report_damage(self, damage: ArchiveDamagedError) -> None:
        self.reported.append(damage.name)

    def term(self) -> TermOfSealing:
        sealed = SimpleNamespace(month=JANUARY, entry_count=1, stored_bytes=2)
        return TermOfSealing(
            self.does("seal", Sealing([sealed], [JANUARY], ["2027-02: waits"])),  # type: ignore[list-item]
            self.does("delete", Deletion([], [])),
            self.does("inspect"),
            self.does("store", 0),
            self,
            self.does("keep"),
        )


@pytest.fixture
async def leading() -> Any:
    parts, rounds, ended = Parts(), Rounds(), asyncio.Event()
    task = asyncio.create_task(rounds.keep_sealing(parts.term(), ended))
    await asyncio.sleep(0.01)
    yield parts, rounds
    ended.set()
    await task


async def test_a_term_begins_with_a_round_in_this_order(leading: Any) -> None:
    parts, rounds = leading
    assert parts.calls == [("keep",), ("seal", None), ("delete",), ("inspect",)]
    assert (await rounds.health_check().look()).status is Status.PASS


async def test_who_asks_gets_what_the_round_did(leading: Any) -> None:
    _, rounds = leading
    reply = await OnSeal(rounds)(ASKED)
    assert (reply.sealed, reply.dropped, reply.waiting) == (("2027-01",), ("2027-01",), ("2027-02: waits",))
    assert not reply.is_running


async def test_a_round_that_goes_on_is_waited_for_by_asking_again(
    leading: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, rounds = leading
    monkeypatch.setattr("yoyaku.audit_log.entrypoints.rpc.segments.WAIT_SECONDS", 0.01)
    parts.may_go_on.clear()
    parts.calls.clear()
    assert (await OnSeal(rounds)(ASKED)).is_running
    assert (await OnSeal(rounds)(ASKED)).is_running
    parts.may_go_on.set()
    assert not (await OnSeal(rounds)(ASKED)).is_running
    assert parts.calls == [("keep",), ("seal", JANUARY), ("delete",), ("inspect",)]


@pytest.mark.parametrize("at", ["keep", "seal", "delete", "inspect"])
async def test_a_failure_is_told_and_the_next_round_goes_on(leading: Any, at: str) -> None:
    parts, rounds = leading
    parts.fails = {at: ArchiveUnavailableError("the store is away")}
    assert (await OnSeal(rounds)(ASKED)).problem == "the store is away"
    parts.fails = {}
    assert (await OnSeal(rounds)(ASKED)).problem is None


async def test_damage_is_reported(leading: Any) -> None:
    parts, rounds = leading
    parts.fails = {"seal": ArchiveDamagedError("o/tile/0/000", bytes(32), sha256(b"").digest(), "it is gone")}
    reply = await OnSeal(rounds)(ASKED)
    assert parts.reported == ["o/tile/0/000"]
    assert "it is gone" in (reply.problem or "")


async def test_a_standby_refuses_and_a_leader_that_lost_the_lead_too(leading: Any) -> None:
    with pytest.raises(RpcFailedError) as standby:
        await OnSeal(Rounds())(ASKED)
    assert standby.value.code == NOT_LEADING
    parts, rounds = leading
    parts.fails = {"seal": LeadershipLostError("sequencer", 1)}
    with pytest.raises(RpcFailedError) as lost:
        await OnSeal(rounds)(ASKED)
    assert lost.value.code == NOT_LEADING


async def test_losing_the_lead_in_a_round_ends_the_term() -> None:
    parts, rounds = Parts(), Rounds()
    parts.fails = {"seal": LeadershipLostError("sequencer", 1)}
    with pytest.raises(LeadershipLostError):
        await rounds.keep_sealing(parts.term(), asyncio.Event())
    assert not rounds.leads


async def test_a_round_that_failed_warns_in_health() -> None:
    parts, rounds, ended = Parts(), Rounds(), asyncio.Event()
    parts.fails = {"seal": ArchiveUnavailableError("the store is away")}
    task = asyncio.create_task(rounds.keep_sealing(parts.term(), ended))
    await asyncio.sleep(0.01)
    checked = await rounds.health_check().look()
    assert (checked.status, checked.output) == (Status.WARN, "the store is away")
    ended.set()
    await task


async def test_kept_checkpoints_are_stored_again_and_again_and_damage_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("yoyaku.audit_log.entrypoints.sealing.CHECKPOINTS_EVERY_SECONDS", 0.001)
    monkeypatch.setattr("yoyaku.audit_log.entrypoints.sealing.EVERY_SECONDS", 0.001)
    parts, rounds, ended = Parts(), Rounds(), asyncio.Event()
    parts.fails = {"store": ArchiveDamagedError("o/checkpoints/1", bytes(32), bytes(32), "another text")}
    task = asyncio.create_task(rounds.keep_checkpoints(replace(parts.term()), ended))
    await asyncio.sleep(0.02)
    assert len(parts.calls) > 2
    assert set(parts.reported) == {"o/checkpoints/1"}
    ended.set()
    await task
