"""Names and instruments of what messaging measures, in one place.

Labels are `stream`, `consumer` and `type` only, all from closed sets, so that the number of series stays bounded.
Instruments made here are proxies until the process sets its meter provider; nothing is recorded before.
"""

from typing import Final

from opentelemetry import metrics

SCOPE: Final = "yoyaku.messaging"

OUTBOX_PENDING: Final = "yoyaku.outbox.pending"
"""Gauge: events committed and not yet acknowledged by their stream. Read off the database by each relay."""

OUTBOX_OLDEST_AGE: Final = "yoyaku.outbox.oldest_age"
"""Gauge, seconds: how long the oldest of them has waited; 0 when none waits."""

EVENT_PUBLISH_DURATION: Final = "yoyaku.event.publish.duration"
"""Histogram, seconds: from handing an event to the connection to the stream's acknowledgement."""

EVENT_PUBLISH_FAILURES: Final = "yoyaku.event.publish.failures"
"""Counter: publishes that ended without an acknowledgement; each is tried again."""

EVENT_HANDLE_DURATION: Final = "yoyaku.event.handle.duration"
"""Histogram, seconds: one call of a consumer's handler, once for each type in its batch."""

EVENT_AGE: Final = "yoyaku.event.age"
"""Histogram, seconds: from the fact (ce-time) to its handling."""

EVENT_RETRIES: Final = "yoyaku.event.retries"
"""Counter: deliveries given back to be tried again later."""

EVENT_DEAD_LETTERS: Final = "yoyaku.event.dead_letters"
"""Counter: events given up on and kept in DEAD_LETTERS."""

METER = metrics.get_meter(SCOPE)

publish_duration = METER.create_histogram(
    EVENT_PUBLISH_DURATION, unit="s", description="From handing an event to the connection to the stream's ack"
)
publish_failures = METER.create_counter(
    EVENT_PUBLISH_FAILURES, unit="{event}", description="Publishes without an acknowledgement, each tried again"
)
handle_duration = METER.create_histogram(EVENT_HANDLE_DURATION, unit="s", description="One handling of one event")
event_age = METER.create_histogram(EVENT_AGE, unit="s", description="From the fact to its handling")
retries = METER.create_counter(EVENT_RETRIES, unit="{event}", description="Deliveries given back for later")
dead_letters = METER.create_counter(EVENT_DEAD_LETTERS, unit="{event}", description="Events given up on and kept")
