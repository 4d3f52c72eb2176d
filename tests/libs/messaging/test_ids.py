import uuid

import pytest

from yoyaku.messaging.ids import new_event_id


@pytest.mark.requirement("EV-01")
def test_ids_are_uuid7_and_rise() -> None:
    ids = [new_event_id() for _ in range(5000)]
    assert {uuid.UUID(one).version for one in ids} == {7}
    assert ids == sorted(set(ids))
    assert all(one == str(uuid.UUID(one)) for one in ids)
