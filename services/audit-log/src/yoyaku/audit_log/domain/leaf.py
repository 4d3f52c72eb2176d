"""The bytes of an entry: what the tree holds, and what is proven.

A leaf is canonical JSON: one object in UTF-8, keys sorted by code point, no spaces, no escapes but the needed ones;
absent fields are left out (docs/api/audit-formats.md). Invariant: `read_leaf` gives back every attribute of the event
and its body to the byte, as long as the keys of sealed fields exist.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from yoyaku.audit_log.domain.fact import Fact, headers_as_bytes

LEAF_VERSION: Final = 1
LARGEST_LEAF_BYTES: Final = 65_535
"""Of an entry in a bundle. Source: C2SP tlog-tiles, "Log entries"."""
DEEPEST_BODY: Final = 64
"""Objects and arrays inside each other; a body that is nested deeper is kept as bytes, whoever reads it."""

KEY: Final = "key"
SEALED: Final = "sealed"
FORGOTTEN: Final = "forgotten"

_SEALED_SHAPES: Final = ({KEY, SEALED}, {KEY, FORGOTTEN})
_TEXTS: Final = ("event_id", "type", "actor", "subject", "correlation_id", "causation_id", "dataschema", "problem")
_DECODER: Final = json.JSONDecoder()
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

Seal = Callable[[str, str, bytes], dict[str, Any]]
"""`seal(key_reference, pointer, plaintext)` gives what stands in the leaf in place of a personal value."""


class MalformedLeafError(ValueError):
    """Stored bytes are no leaf; the text says why."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """Which values of a fact are personal, whose they are, and how they are sealed."""

    seal: Seal
    address_key: str | None = None
    """Whose the client address is; none: it stays readable."""
    body_key: str | None = None
    """Whose the personal fields of the body are; none: the body stays readable."""
    body_fields: frozenset[str] | None = None
    """Which fields of the body are personal; none: all of it is."""


@dataclass(frozen=True, slots=True)
class WrittenLeaf:
    """A leaf, and what had to be put beside it."""

    leaf: bytes
    beside: bytes | None
    """The body as canonical JSON, when the leaf would have been larger than LARGEST_LEAF_BYTES with it."""

    @property
    def hash(self) -> bytes:
        """The hash that the tree holds. Source: RFC 6962, section 2.1."""
        return sha256(b"\x00" + self.leaf).digest()


@dataclass(frozen=True, slots=True)
class SealedField:
    """A value that is ciphertext, or whose key was destroyed already when it was recorded."""

    pointer: str
    """JSON pointer within the leaf: `/client_address`, `/body/title`, `/body_sealed`. Source: RFC 6901."""
    key_reference: str
    sealed: bytes | None
    """Nonce, ciphertext and tag; none when it never was written."""
    associated_data: bytes = b""
    """What ties the ciphertext to this place of this fact."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """The event that a leaf holds. What was forgotten is None, or null inside the body."""

    position: int
    recorded_at: datetime
    source: str
    number: int
    event_id: str | None
    type: str
    occurred_at: datetime | None
    actor: str | None
    subject: str | None
    correlation_id: str | None
    causation_id: str | None
    client_address: str | None
    dataschema: str | None
    problem: str | None
    headers: bytes | None
    body: bytes | None
    """As received; None when it was forgotten whole, or stands beside and was not given."""
    forgotten: tuple[str, ...]
    """Pointers of the values whose keys are destroyed."""


Open = Callable[[SealedField], bytes | None]
"""Gives the plaintext of a sealed field, None when its key was destroyed."""


def canonical(value: object) -> bytes:
    """Write a value as canonical JSON. Raises ValueError, RecursionError for what JSON or Unicode cannot hold."""
    return _ENCODER.encode(value).encode()


def canonical_object(body: bytes) -> dict[str, Any] | None:
    """Read a body that is canonical JSON of an object, so that its bytes can be made from the object again.

    None for any other: not an object, other spaces or order, the same key twice, nested deeper than DEEPEST_BODY, or
    with a value that could be mistaken for a sealed one.
    """
    if not body.startswith(b"{"):
        return None
    try:
        value = _DECODER.decode(body.decode())
        if canonical(value) != body or (_may_be_deep(body) and _depth(value) > DEEPEST_BODY):
            return None
    except (ValueError, RecursionError):
        return None
    if any(isinstance(one, dict) and set(one) in _SEALED_SHAPES for one in value.values()):
        return None
    assert isinstance(value, dict)
    return value


def leaf_of(
    fact: Fact,
    position: int,
    recorded_at: datetime,
    sealing: Sealing | None = None,
    body: dict[str, Any] | None = None,
) -> WrittenLeaf:
    """Write the leaf of a fact. `recorded_at` is aware; `body` spares reading it again: canonical_object(fact.body)."""
    members = _attributes(fact, position, recorded_at)
    if fact.client_address is not None:
        key = sealing.address_key if sealing is not None else None
        members["client_address"] = (
            sealing.seal(key, "/client_address", canonical(fact.client_address))
            if sealing is not None and key is not None
            else fact.client_address
        )
    content = _body_members(fact, sealing, canonical_object(fact.body) if body is None else body)
    if len(fact.body) <= LARGEST_LEAF_BYTES:
        leaf = canonical(members | content)
        if len(leaf) <= LARGEST_LEAF_BYTES:
            return WrittenLeaf(leaf, None)
    beside = canonical(content)
    members |= {"body_sha256": sha256(beside).hexdigest(), "body_size_bytes": len(beside)}
    return WrittenLeaf(canonical(members), beside)


def _attributes(fact: Fact, position: int, recorded_at: datetime) -> dict[str, Any]:
    members: dict[str, Any] = {
        "v": LEAF_VERSION,
        "position": position,
        "recorded_at": text_of(recorded_at),
        "source": fact.source,
        "number": fact.number,
    }
    for name in _TEXTS:
        value = getattr(fact, name)
        if value is not None:
            members[name] = value
    if fact.occurred_at is not None:
        members["occurred_at"] = text_of(fact.occurred_at)
    return members


def _body_members(fact: Fact, sealing: Sealing | None, body: dict[str, Any] | None) -> dict[str, Any]:
    """Write the body, and the headers of what could not be read, which stand beside together if need be."""
    if fact.problem is not None:
        headers = headers_as_bytes(fact.headers)
        return {"body_base64": _base64(fact.body), "headers_base64": _base64(headers)}
    if sealing is not None and sealing.body_key is not None:
        if body is None or sealing.body_fields is None:
            plain = canonical({"body_base64": _base64(fact.body)} if body is None else {"body": body})
            return {"body_sealed": sealing.seal(sealing.body_key, "/body_sealed", plain)}
        shown = dict(body)
        for name in sorted(sealing.body_fields & body.keys()):
            if body[name] is not None:
                shown[name] = sealing.seal(sealing.body_key, f"/body/{name}", canonical(body[name]))
        return {"body": shown}
    return {"body_base64": _base64(fact.body)} if body is None else {"body": body}


class Leaf:
    """A leaf that was read; nothing sealed is opened yet."""

    def __init__(self, data: bytes, beside: bytes | None = None) -> None:
        """Read the bytes of a leaf and those that stand beside it. Raises MalformedLeafError."""
        self.members = _object(data, "leaf")
        if "body_sha256" in self.members and beside is not None:
            if sha256(beside).hexdigest() != self.members["body_sha256"]:
                raise MalformedLeafError("the bytes beside the leaf are not those that it names")
            self.members = _object(beside, "bytes beside a leaf") | self.members

    @property
    def sealed_fields(self) -> list[SealedField]:
        """Name every sealed value."""
        found = [
            ("/client_address", self.members.get("client_address")),
            ("/body_sealed", self.members.get("body_sealed")),
        ]
        body = self.members.get("body")
        if isinstance(body, dict):
            found += [(f"/body/{name}", value) for name, value in body.items()]
        place = (self.members.get("source"), self.members.get("number"))
        return [field for pointer, value in found if (field := _sealed_field(place, pointer, value)) is not None]

    def event(self, open_field: Open) -> StoredEvent:
        """Give the event, with every sealed value opened. Raises MalformedLeafError, and what `open_field` raises."""
        opened = {field.pointer: open_field(field) for field in self.sealed_fields}
        forgotten = tuple(sorted(pointer for pointer, plain in opened.items() if plain is None))
        members = self.members
        try:
            return StoredEvent(
                position=members["position"],
                recorded_at=moment_of(members["recorded_at"]),
                source=members["source"],
                number=members["number"],
                type=members["type"],
                occurred_at=moment_of(members["occurred_at"]) if "occurred_at" in members else None,
                client_address=_value(members.get("client_address"), "/client_address", opened),
                headers=base64.b64decode(members["headers_base64"]) if "headers_base64" in members else None,
                body=_body(members, opened),
                forgotten=forgotten,
                **{name: members.get(name) for name in _TEXTS if name != "type"},
            )
        except (KeyError, ValueError, TypeError, AttributeError) as odd:
            raise MalformedLeafError(f"a field of the leaf is missing or odd: {odd}") from None


def associated_data(source: object, number: object, pointer: str) -> bytes:
    """Tie a sealed value to its place: it opens nowhere else. Source: docs/api/audit-formats.md."""
    return f"{source}\n{number}\n{pointer}".encode()


def read_leaf(data: bytes, beside: bytes | None = None, open_field: Open = lambda _: None) -> StoredEvent:
    """Read a leaf. Without a way to open them, sealed values count as forgotten. Raises MalformedLeafError."""
    return Leaf(data, beside).event(open_field)


def text_of(moment: datetime) -> str:
    """Write a moment as leaves do: UTC, six digits after the second, `Z`."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def moment_of(text: str) -> datetime:
    """Read a moment as `text_of` writes it. Raises ValueError."""
    return datetime.fromisoformat(text)


def _body(members: Mapping[str, Any], opened: Mapping[str, bytes | None]) -> bytes | None:
    if "body_sealed" in members:
        plain = opened.get("/body_sealed")
        return None if plain is None else _body(_object(plain, "sealed body"), {})
    if "body_base64" in members:
        return base64.b64decode(members["body_base64"], validate=True)
    if "body" in members:
        return canonical({name: _value(one, f"/body/{name}", opened) for name, one in members["body"].items()})
    return None


def _value(value: object, pointer: str, opened: Mapping[str, bytes | None]) -> Any:
    if pointer not in opened:
        return value
    plain = opened[pointer]
    return None if plain is None else json.loads(plain)


def _sealed_field(place: tuple[object, object], pointer: str, value: object) -> SealedField | None:
    if not isinstance(value, dict) or set(value) not in _SEALED_SHAPES:
        return None
    sealed = value.get(SEALED)
    try:
        data = None if sealed is None else base64.b64decode(sealed, validate=True)
        return SealedField(pointer, value[KEY], data, associated_data(*place, pointer))
    except (ValueError, TypeError):
        raise MalformedLeafError(f"the sealed value at {pointer} is not base64") from None


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as odd:
        raise MalformedLeafError(f"the {what} is not JSON: {odd}") from None
    if not isinstance(value, dict):
        raise MalformedLeafError(f"the {what} is not a JSON object")
    return value


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _may_be_deep(body: bytes) -> bool:
    return body.count(b"{") + body.count(b"[") > DEEPEST_BODY


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)
