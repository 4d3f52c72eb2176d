import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from nats.errors import TimeoutError as NatsTimeoutError

from yoyaku.embedded.secrets import SecretsFolder
from yoyaku.messaging import broker as broker_module
from yoyaku.messaging.broker import BusAccessDeniedError, ServiceBroker, jetstream, make_broker, start_broker
from yoyaku.messaging.permissions import MissingPublicKeyError, of, render_accounts
from yoyaku.messaging.settings import NatsSettings
from yoyaku.messaging.topology import (
    AUDIT_LOG_BOOKING,
    BLOCKS,
    BUS_USERS,
    DENIED_TOKENS,
    OPERATOR,
    PROVISIONER,
    SERVICES,
)
from yoyaku.testkit.bus import Bus

BrokerOf = Callable[[str], Awaitable[ServiceBroker]]
KEYS = {user: f"U{user.upper()}" for user in BUS_USERS}

DENIED_PUBLISHES = [
    ("booking", "audit.integrity.violated.v1"),
    ("booking", "security.block.imposed.v1"),
    ("booking", "$KV.blocks.x"),
    ("booking", "kv.blocks.x"),
    ("booking", "dlq.BOOKING.audit-log_booking"),
    ("booking", "wake.outbox.audit-log"),
    ("booking", "$JS.API.CONSUMER.MSG.NEXT.BOOKING.audit-log_booking"),
    ("booking", "$JS.API.DIRECT.GET.BOOKING"),
    ("booking", "$JS.API.STREAM.MSG.GET.BOOKING"),
    ("booking", "$JS.API.CONSUMER.CREATE.BOOKING.mine"),
    ("booking", "$JS.API.STREAM.UPDATE.BOOKING"),
    ("booking", "$JS.API.STREAM.DELETE.BOOKING"),
    ("booking", "$JS.API.STREAM.PURGE.BOOKING"),
    ("booking", "$JS.API.STREAM.INFO.SECURITY"),
    ("audit-log", "booking.room.created.v1"),
    ("audit-log", "identity.login.failed.v1"),
    ("audit-log", "$JS.ACK.IDENTITY.security-detector_identity.1.1.1.1.0"),
    ("audit-log", "$JS.API.CONSUMER.MSG.NEXT.IDENTITY.security-detector_identity"),
    ("audit-log", "dlq.IDENTITY.security-detector_identity"),
    ("audit-log", "rpc.backup-coordinator.run.v1"),
    ("audit-log", "$KV.blocks.x"),
    ("security-detector", "identity.login.failed.v1"),
    ("security-detector", "backup.run.completed.v1"),
    ("security-detector", "$JS.API.CONSUMER.MSG.NEXT.BOOKING.audit-log_booking"),
    ("security-detector", "$KV.denied_tokens.x"),
    ("backup-coordinator", "audit.integrity.violated.v1"),
    ("backup-coordinator", "$JS.API.DIRECT.GET.KV_blocks"),
    ("operator", "$JS.API.STREAM.PURGE.DEAD_LETTERS"),
    ("operator", "$JS.API.STREAM.UPDATE.BOOKING"),
    ("operator", "$JS.API.STREAM.MSG.DELETE.BOOKING"),
    ("operator", "$KV.blocks.x"),
    ("provisioner", "booking.room.created.v1"),
    ("provisioner", "$KV.blocks.x"),
]
DENIED_SUBSCRIPTIONS = [
    ("booking", "security.>"),
    ("booking", "booking.>"),
    ("booking", "_INBOX_audit-log.>"),
    ("booking", "rpc.audit-log.search.v1"),
    ("audit-log", "booking.>"),
    ("audit-log", "kv.blocks.>"),
    ("security-detector", "identity.>"),
    ("backup-coordinator", "rpc.audit-log.search.v1"),
    ("backup-coordinator", ">"),
    ("operator", "dlq.>"),
    ("provisioner", ">"),
]


def test_accounts_without_a_key_for_everyone_are_not_rendered() -> None:
    with pytest.raises(MissingPublicKeyError, match="audit-log, operator"):
        render_accounts({user: key for user, key in KEYS.items() if user not in ("audit-log", "operator")})


def test_the_same_keys_give_the_same_accounts_with_every_key_in_them_once() -> None:
    text = render_accounts(KEYS)
    assert text == render_accounts(dict(reversed(KEYS.items())))
    assert all(text.count(f"nkey: {key},") == 1 for key in KEYS.values())
    assert "system_account: SYS" in text


@pytest.mark.requirement("EV-08")
@pytest.mark.parametrize("service", SERVICES)
def test_no_service_may_use_a_wildcard_over_the_api_of_jetstream(service: str) -> None:
    for subject in of(service).publish:
        assert not (subject.startswith("$JS.API.") and ("*" in subject or ">" in subject)), subject
        assert subject not in (">", "$JS.>", "$KV.>", "dlq.>", "rpc.>")


@pytest.mark.requirement("EV-08")
@pytest.mark.parametrize(("user", "subject"), DENIED_PUBLISHES)
async def test_a_publish_outside_of_ones_own_subjects_is_refused(
    bus: Bus, broker_of: BrokerOf, until: Callable[..., Awaitable[None]], user: str, subject: str
) -> None:
    broker = await broker_of(user)
    began = time.monotonic()
    await broker.connection.publish(subject, b"{}")
    await broker.connection.flush()
    await until(lambda: broker.was_denied(subject, began))


@pytest.mark.requirement("EV-08")
@pytest.mark.parametrize(("user", "subject"), DENIED_SUBSCRIPTIONS)
async def test_listening_outside_of_ones_own_subjects_is_refused(
    bus: Bus, broker_of: BrokerOf, until: Callable[..., Awaitable[None]], user: str, subject: str
) -> None:
    broker = await broker_of(user)
    began = time.monotonic()
    await broker.connection.subscribe(subject, cb=_ignore)
    await broker.connection.flush()
    await until(lambda: broker.was_denied(subject, began))


async def _ignore(_: object) -> None:
    return None


@pytest.mark.requirement("EV-08")
@pytest.mark.parametrize("user", BUS_USERS)
async def test_everything_declared_is_allowed(bus: Bus, broker_of: BrokerOf, user: str) -> None:
    broker = await broker_of(user)
    allowed = of(user)
    began = time.monotonic()
    concrete = [subject.removesuffix(">") + "x" if subject.endswith(">") else subject for subject in allowed.publish]
    for subject in concrete:
        if not subject.startswith("$JS.API."):
            await broker.connection.publish(subject, b"{}")
    for subject in allowed.subscribe:
        await broker.connection.subscribe(subject, cb=_ignore)
    await broker.connection.flush()
    assert [subject for subject in (*concrete, *allowed.subscribe) if broker.was_denied(subject, began)] == []


@pytest.mark.requirement("EV-08")
async def test_a_refused_publish_is_an_error_a_log_line_and_a_count_and_never_silent_success(
    bus: Bus, broker_of: BrokerOf, logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[dict[str, str]] = []
    monkeypatch.setattr(broker_module._errors, "add", lambda _, labels: counted.append(labels), raising=False)
    broker = await broker_of("audit-log")
    with pytest.raises((NatsTimeoutError, TimeoutError)):
        await jetstream(broker).publish("booking.room.created.v1", b"{}", timeout=0.5)
    assert counted == [{"kind": "denied"}]
    assert logged.named("bus refused an operation") == [
        {"service": "audit-log", "operation": "publish", "subject": "booking.room.created.v1"}
    ]


@pytest.mark.requirement("EV-08")
async def test_an_unknown_nkey_is_refused_at_once_and_said_so(bus: Bus, tmp_path) -> None:
    stranger = SecretsFolder(tmp_path).nkey_seed_file("stranger")
    broker = make_broker(NatsSettings(url=bus.url, nkey_seed_file=stranger), service="booking")
    async with asyncio.timeout(30):
        with pytest.raises(BusAccessDeniedError):
            await start_broker(broker)


@pytest.mark.requirement("EV-08")
async def test_nobody_gets_in_without_a_key(bus: Bus) -> None:
    async with asyncio.timeout(30):
        with pytest.raises(BusAccessDeniedError):
            await start_broker(make_broker(NatsSettings(url=bus.url), service="booking"))


@pytest.mark.requirement("EV-08")
def test_only_the_detector_writes_blocks_and_only_booking_denies_tokens() -> None:
    users = (*SERVICES, OPERATOR, PROVISIONER)
    assert [u for u in users if f"{BLOCKS.key_prefix}>" in of(u).publish] == ["security-detector"]
    assert [u for u in users if f"{DENIED_TOKENS.key_prefix}>" in of(u).publish] == ["booking"]
    assert [u for u in users if AUDIT_LOG_BOOKING.dead_letter_subject in of(u).publish] == ["audit-log"]
