import asyncio
from collections.abc import Awaitable, Callable

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel

from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_SEARCH_V1,
    RPC_BACKUP_COORDINATOR_LIST_V1,
    AuditLogSearchReply,
    AuditLogSearchRequest,
    BackupListRequest,
)
from yoyaku.messaging import rpc
from yoyaku.messaging.broker import ServiceBroker, start_broker
from yoyaku.messaging.rpc import RpcFailedError, RpcUnavailableError

BrokerOf = Callable[..., Awaitable[ServiceBroker]]
QUESTION = AuditLogSearchRequest(requested_by="operator", limit=7)
EMPTY = AuditLogSearchReply(entries=(), next_after_position=None, up_to_position=-1)


@pytest.fixture
async def asker(broker_of: BrokerOf) -> ServiceBroker:
    return await broker_of("booking")


@pytest.fixture
def answering(broker_of: BrokerOf):
    """`await answering(handler)` makes the audit log answer searches with it."""

    async def start(handler: Callable[[AuditLogSearchRequest], Awaitable[BaseModel]]) -> ServiceBroker:
        broker = await broker_of("audit-log", start=False)
        rpc.serve(broker, RPC_AUDIT_LOG_SEARCH_V1, AuditLogSearchRequest, handler)
        await start_broker(broker)
        await broker.connection.flush()
        return broker

    return start


async def ask(asker: ServiceBroker, timeout_seconds: float = 10.0) -> AuditLogSearchReply:
    return await rpc.request(asker, RPC_AUDIT_LOG_SEARCH_V1, QUESTION, AuditLogSearchReply, timeout_seconds)


async def test_a_question_is_answered(asker, answering) -> None:
    asked: list[AuditLogSearchRequest] = []

    async def search(request: AuditLogSearchRequest) -> AuditLogSearchReply:
        asked.append(request)
        return AuditLogSearchReply(entries=(), next_after_position=6, up_to_position=6)

    await answering(search)
    assert (await ask(asker)).next_after_position == 6
    assert asked == [QUESTION]


async def test_one_of_several_processes_answers_each_question(asker, answering) -> None:
    answered: list[int] = []
    for process in (1, 2):

        async def search(_: AuditLogSearchRequest, process: int = process) -> AuditLogSearchReply:
            answered.append(process)
            return EMPTY

        await answering(search)
    for _ in range(40):
        await ask(asker)
    assert len(answered) == 40
    assert set(answered) == {1, 2}


async def test_questions_are_answered_side_by_side(asker, answering) -> None:
    both = asyncio.Barrier(2)

    async def search(_: AuditLogSearchRequest) -> AuditLogSearchReply:
        await asyncio.wait_for(both.wait(), 10)
        return EMPTY

    await answering(search)
    await asyncio.gather(ask(asker), ask(asker))


async def test_nobody_answering_is_said_at_once(asker) -> None:
    with pytest.raises(RpcUnavailableError, match="nobody answers"):
        await ask(asker, 1000.0)


async def test_an_error_of_the_handler_comes_with_its_code(asker, answering) -> None:
    async def search(_: AuditLogSearchRequest) -> AuditLogSearchReply:
        raise RpcFailedError("busy", "the log is being sealed")

    await answering(search)
    with pytest.raises(RpcFailedError) as failed:
        await ask(asker)
    assert (failed.value.code, failed.value.detail) == ("busy", "the log is being sealed")


@pytest.mark.requirement("GW-02")
async def test_what_a_handler_did_not_expect_stays_inside(asker, answering, logged) -> None:
    async def search(_: AuditLogSearchRequest) -> AuditLogSearchReply:
        raise ValueError("secret=hunter2")

    await answering(search)
    with pytest.raises(RpcFailedError) as failed:
        await ask(asker)
    assert failed.value.code == "internal_error"
    assert "hunter2" not in str(failed.value)
    assert logged.named("a question could not be answered")


async def test_a_question_that_does_not_fit_is_refused_by_field_without_its_values(asker, answering) -> None:
    class Wrong(BaseModel):
        requested_by: str = "operator"
        limit: str = "hunter2"

    async def search(_: AuditLogSearchRequest) -> AuditLogSearchReply:
        raise AssertionError

    await answering(search)
    with pytest.raises(RpcFailedError) as failed:
        await rpc.request(asker, RPC_AUDIT_LOG_SEARCH_V1, Wrong(), AuditLogSearchReply)
    assert failed.value.code == "invalid_request"
    assert "limit" in failed.value.detail
    assert "hunter2" not in failed.value.detail


async def test_an_answer_that_does_not_fit_is_an_error(asker, answering) -> None:
    class Other(BaseModel):
        something: int = 1

    async def search(_: AuditLogSearchRequest) -> BaseModel:
        return Other()

    await answering(search)
    with pytest.raises(RpcFailedError) as failed:
        await ask(asker)
    assert failed.value.code == "invalid_reply"


async def test_the_handler_is_cancelled_when_the_asker_has_stopped_waiting(asker, answering, until) -> None:
    ended: list[str] = []

    async def search(_: AuditLogSearchRequest) -> AuditLogSearchReply:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return EMPTY

    await answering(search)
    with pytest.raises((RpcUnavailableError, RpcFailedError)):
        await ask(asker, 0.2)
    await until(lambda: ended == ["cancelled"])


@pytest.mark.requirement("EV-08")
async def test_a_question_that_the_bus_refuses_says_so(broker_of: BrokerOf) -> None:
    stranger = await broker_of("security-detector")
    with pytest.raises(RpcUnavailableError, match="the bus refused it"):
        await rpc.request(stranger, RPC_BACKUP_COORDINATOR_LIST_V1, BackupListRequest(), AuditLogSearchReply, 0.5)


async def test_an_answer_too_large_for_the_bus_is_an_error_at_once(asker, answering) -> None:
    class Large(BaseModel):
        text: str = "x" * 2_000_000

    async def search(_: AuditLogSearchRequest) -> BaseModel:
        return Large()

    await answering(search)
    with pytest.raises(RpcFailedError) as failed:
        await ask(asker)
    assert failed.value.code == "reply_too_large"


@pytest.mark.requirement("EV-07")
async def test_question_and_answer_are_one_trace(asker, answering, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(rpc, "tracer", provider.get_tracer)
    inside: list[int] = []

    async def search(_: AuditLogSearchRequest) -> AuditLogSearchReply:
        inside.append(trace.get_current_span().get_span_context().span_id)
        return EMPTY

    await answering(search)
    with provider.get_tracer("test").start_as_current_span("request") as outer:
        await ask(asker)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    asked, answered = spans[f"ask {RPC_AUDIT_LOG_SEARCH_V1}"], spans[f"answer {RPC_AUDIT_LOG_SEARCH_V1}"]
    assert asked.parent.span_id == outer.get_span_context().span_id
    assert answered.parent.span_id == asked.context.span_id
    assert answered.context.trace_id == outer.get_span_context().trace_id
    assert inside == [answered.context.span_id]
