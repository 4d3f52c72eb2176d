"""A damaged log is found and told by the running service, which goes on (AU-05)."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from yoyaku.contracts.rpc import RPC_AUDIT_LOG_VERIFY_V1, AuditLogVerifyReply, AuditLogVerifyRequest
from yoyaku.messaging.broker import make_broker, start_broker
from yoyaku.messaging.rpc import request
from yoyaku.messaging.topology import OPERATOR
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import Database


@pytest.mark.requirement("AU-03", "AU-05")
async def test_a_row_that_a_superuser_edits_raises_the_alarm_and_stops_nothing(
    start_replica: Callable[..., Any],
    producer: Any,
    pool: Pool,
    bus: Bus,
    audit_database: Database,
    eventually: Callable[..., Awaitable[None]],
) -> None:
    replica = start_replica(INSPECT_EVERY_SECONDS="0.5")
    await producer.publish(8)

    async def integrity() -> Any:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{replica.health_port}/health/ready")
        return answer.json()["checks"]["log:integrity"][0]

    async def recorded() -> bool:
        return int(await pool.fetchval("SELECT count(*) FROM audit_entry WHERE source = '/booking/07'")) == 8

    await eventually(recorded)
    assert (await integrity())["status"] == "pass"
    superuser = await asyncpg.connect(**audit_database.admin.connect_arguments("attacker"))
    await superuser.execute("SET session_replication_role = replica")
    edited = await superuser.fetchval(
        "UPDATE audit_entry SET leaf = overlay(leaf PLACING ' ' FROM octet_length(leaf)) "
        "WHERE source = '/booking/07' AND number = 5 RETURNING position"
    )
    await superuser.close()

    async def alarmed() -> bool:
        entries = await pool.fetch("SELECT leaf FROM audit_entry WHERE type = 'audit.integrity.violated.v1'")
        return bool(entries)

    await eventually(alarmed)
    (violation,) = [
        json.loads(row["leaf"])["body"]
        for row in await pool.fetch("SELECT leaf FROM audit_entry WHERE type = 'audit.integrity.violated.v1'")
    ]
    assert (violation["kind"], violation["position"]) == ("entry_edited", edited)

    async def warned() -> bool:
        return (await integrity())["status"] == "warn"

    await eventually(warned)
    await producer.publish(1)
    broker = make_broker(bus.settings_for(OPERATOR), service=OPERATOR)
    await start_broker(broker)
    question = AuditLogVerifyRequest(requested_by="operator", whole=True)

    async def verified() -> bool:
        try:
            reply = await request(broker, RPC_AUDIT_LOG_VERIFY_V1, question, AuditLogVerifyReply, timeout_seconds=5)
        except Exception:  # noqa: BLE001 - busy with the one on schedule
            return False
        assert [(one["kind"], one["position"]) for one in reply.findings] == [("entry_edited", edited)]
        return True

    await eventually(verified)
    await broker.stop()
    await asyncio.sleep(1.2)
    count = "SELECT count(*) FROM audit_entry WHERE type = 'audit.integrity.violated.v1'"
    assert await pool.fetchval(count) == 1
    assert replica.process.poll() is None
