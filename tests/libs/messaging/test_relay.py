import pytest

pytestmark = pytest.mark.requirement("EV-03")


async def test_what_was_committed_is_in_the_stream(state, emitter, run_relay, stored_events, eventually) -> None:
    await emitter.commit(30)
    async with run_relay():
        await eventually(state.published)
        await emitter.commit(20)
        await eventually(state.published)
    events = await stored_events()
    assert sorted(event.event_id for event in events) == sorted(emitter.ids)
    assert sorted((event.source, event.number) for event in events) == await state.numbers()
