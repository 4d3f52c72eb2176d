"""The outbox of the service."""

from yoyaku.booking.settings import SERVICE
from yoyaku.lifecycle.process import utc_now
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.wake import Waker


def make_outbox(waker: Waker | None = None) -> Outbox:
    """Return the outbox; without a waker its events wait for the worker's next look."""
    if waker is None:
        return Outbox(service=SERVICE, new_id=new_event_id, now=utc_now)
    return Outbox(service=SERVICE, new_id=new_event_id, now=utc_now, wake=waker)
