"""Marks the fields of events that tell something about a person.

The audit log keeps a marked field as ciphertext under a key of its data subject, so that forgetting the person leaves
the log's proofs whole (AU-06). A field is marked in its model: `Annotated[str, Personal()]`.
"""

from dataclasses import dataclass
from functools import cache

from yoyaku.contracts.envelope import Event


@dataclass(frozen=True, slots=True)
class Personal:
    """The value tells something about the person whom the event is about."""


@cache
def personal_fields(model: type[Event]) -> frozenset[str]:
    """Name the marked fields of an event's body; only fields of the body itself can be marked, none inside of them."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if any(isinstance(marker, Personal) for marker in _markers(field.annotation, field.metadata))
    )


def _markers(annotation: object, metadata: list[object]) -> list[object]:
    """Collect the markers of a field, those inside of an optional or aliased type too."""
    found = [*metadata, *getattr(annotation, "__metadata__", ())]
    for part in getattr(annotation, "__args__", ()):
        found += _markers(part, [])
    return found
