"""Verification in the service: on schedule while leading, and when somebody asks.

Invariant: what is found is kept, told and logged before the next inspection begins; one inspection at a time a process.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from loguru import logger

from yoyaku.audit_log import telemetry
from yoyaku.audit_log.entrypoints.rpc.refusals import refusals
from yoyaku.audit_log.usecases.inspect_log import KeysUnknownError, Scope
from yoyaku.audit_log.usecases.report_inspection import InspectWhenDue, Journals, Report, ReportInspection, Timetable
from yoyaku.contracts.rpc import AuditLogVerifyReply, AuditLogVerifyRequest
from yoyaku.messaging.condition import Condition
from yoyaku.messaging.rpc import RpcFailedError
from yoyaku.messaging.waiting import set_within
from yoyaku.observability.health import Check, CheckResult, Status
from yoyaku.postgres.errors import PostgresError

LOOK_EVERY_SECONDS: Final = 30.0
"""How often it is looked whether an inspection is due."""
SHOWN_FINDINGS: Final = 50
"""In one answer; all of them are in the log as facts."""


class Inspecting:
    """Runs inspections, one at a time."""

    def __init__(
        self, report: ReportInspection, when_due: InspectWhenDue, timetable: Timetable, now: Callable[[], datetime]
    ) -> None:
        self._report = report
        self._when_due = when_due
        self._timetable = timetable
        self._now = now
        self._one_at_a_time = asyncio.Lock()

    async def on_schedule(self, ended: asyncio.Event, is_suspect: asyncio.Event) -> None:
        """Verify whenever it is due, and soon after `is_suspect` is set; until `ended` is set.

        Waits while the database is away.
        """
        pause_seconds = min(LOOK_EVERY_SECONDS, self._timetable.rolling_every.total_seconds())
        database = Condition(away="verification of the log waits", back="verification of the log goes on")
        while not ended.is_set():
            try:
                async with self._one_at_a_time:
                    if is_suspect.is_set():
                        await _told(self._report(Scope.ROLLING, self._now() - self._timetable.rolling_window))
                        is_suspect.clear()
                    await _told(self._when_due())
            except (PostgresError, KeysUnknownError) as error:
                await set_within(ended, database.is_away(str(error)))
            else:
                database.is_back()
                await set_within(ended, pause_seconds)

    async def on_request(self, request: AuditLogVerifyRequest) -> AuditLogVerifyReply:
        """Answer `rpc.audit-log.verify.v1`: verify now. Raises RpcFailedError `busy` while another one goes on."""
        if self._one_at_a_time.locked():
            raise RpcFailedError("busy", "an inspection is under way, ask again in a moment")
        async with self._one_at_a_time:
            since = None if request.whole else self._now() - self._timetable.rolling_window
            with refusals():
                report = await _told(self._report(Scope.WHOLE if request.whole else Scope.ROLLING, since))
        assert report is not None
        found = report.inspection
        return AuditLogVerifyReply(
            first_position=found.first_position,
            entry_count=found.entry_count,
            findings=tuple(
                {
                    "kind": finding.kind.value,
                    "position": finding.position,
                    "event_id": finding.event_id,
                    "detail": finding.detail,
                }
                for finding in found.findings[:SHOWN_FINDINGS]
            ),
            duration_seconds=report.duration_seconds,
        )


def integrity_check(journals: Journals) -> Check:
    """Warn while the last verifications found damage. A damaged log goes on recording: stopping would lose events."""

    async def look() -> CheckResult:
        count = await journals.open_findings()
        told = f"{count} findings, see `yoyaku audit status` and the runbook audit-integrity" if count else None
        return CheckResult(Status.WARN if count else Status.PASS, observed=count, unit="findings", output=told)

    return Check("log:integrity", look)


async def _told(inspection: Awaitable[Report | None]) -> Report | None:
    """Await an inspection, measure it and say what it found."""
    report = await inspection
    if report is None:
        return None
    found = report.inspection
    telemetry.open_findings.set(len(found.findings), {"scope": found.scope.value})
    telemetry.inspections.add(1, {"scope": found.scope.value, "outcome": "damaged" if found.findings else "whole"})
    telemetry.inspection_duration.record(report.duration_seconds, {"scope": found.scope.value})
    for finding in report.new_findings:
        telemetry.findings.add(1, {"kind": finding.kind.value})
        logger.bind(kind=finding.kind.value, position=finding.position).error(
            f"the audit log is damaged: {finding.detail}"
        )
    logger.bind(
        scope=found.scope.value,
        entries=found.entry_count,
        checkpoints=found.checkpoint_count,
        findings=len(found.findings),
        duration_seconds=round(report.duration_seconds, 3),
    ).info("the audit log was verified")
    return report
