"""The server's `accounts` block: one nkey an identity, with the subjects it needs and no other (EV-08).

Derived from `topology` alone. What is not allowed here is denied by the server; nothing is denied by listing it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from yoyaku.contracts.subjects import wake_subject
from yoyaku.messaging.topology import (
    BUS_USERS,
    DEAD_LETTERS_STREAM,
    EVENT_STREAMS,
    OPERATOR,
    PROVISIONER,
    SERVICES,
    STREAMS,
    BucketSpec,
    ConsumerSpec,
    ServiceSpec,
    inbox_prefix,
)

ACCOUNT: Final = "YOYAKU"
SYSTEM_ACCOUNT: Final = "SYS"
RESPONSE_EXPIRES: Final = "2m"
"""How long a service may take to answer a request it was sent."""


class MissingPublicKeyError(Exception):
    """An identity of the bus has no public key, so the accounts cannot be rendered whole."""

    def __init__(self, identities: Iterable[str]) -> None:
        self.identities = tuple(identities)
        super().__init__(f"no public key for {', '.join(self.identities)}")


@dataclass(frozen=True, slots=True)
class Permissions:
    """What one identity may publish and listen to; `responds` lets it answer requests it received."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    responds: bool = False


def _consumer(spec: ConsumerSpec) -> tuple[str, ...]:
    where = f"{spec.stream}.{spec.durable}"
    return (
        f"$JS.API.CONSUMER.INFO.{where}",
        f"$JS.API.CONSUMER.MSG.NEXT.{where}",
        f"$JS.ACK.{where}.>",
        spec.dead_letter_subject,
    )


def _read_bucket(spec: BucketSpec) -> tuple[str, ...]:
    return f"$JS.API.STREAM.INFO.{spec.stream}", f"$JS.API.DIRECT.GET.{spec.stream}"


def of_service(spec: ServiceSpec) -> Permissions:
    """Derive the permissions of one service from its declaration."""
    publish = [*spec.publishes]
    subscribe = [f"{spec.inbox_prefix}.>", *spec.serves]
    for consumer in spec.consumes:
        publish += _consumer(consumer)
    publish += [f"$JS.API.STREAM.INFO.{stream}" for stream in spec.streams]
    for bucket in spec.reads:
        publish += _read_bucket(bucket)
        subscribe.append(bucket.changes_subject)
    publish += [f"{bucket.key_prefix}>" for bucket in spec.writes]
    publish += spec.requests
    if spec.has_outbox:
        publish.append(wake_subject(spec.name))
        subscribe.append(wake_subject(spec.name))
    return Permissions(tuple(publish), tuple(subscribe), responds=bool(spec.serves))


def of_provisioner() -> Permissions:
    """Allow the whole JetStream API, and nothing that is not it."""
    return Permissions(("$JS.API.>",), (f"{inbox_prefix(PROVISIONER)}.>",))


def of_operator() -> Permissions:
    """Allow reading the state of the bus, putting dead letters back, and asking the services."""
    original_subjects = [subject for name in EVENT_STREAMS for subject in STREAMS[name].subjects]
    dead = DEAD_LETTERS_STREAM.name
    return Permissions(
        (
            "$JS.API.INFO",
            "$JS.API.STREAM.NAMES",
            "$JS.API.STREAM.LIST",
            "$JS.API.STREAM.INFO.>",
            "$JS.API.CONSUMER.NAMES.>",
            "$JS.API.CONSUMER.LIST.>",
            "$JS.API.CONSUMER.INFO.>",
            *(f"$JS.API.DIRECT.GET.{name}" for name in STREAMS),
            f"$JS.API.STREAM.MSG.DELETE.{dead}",
            *original_subjects,
            "rpc.>",
        ),
        (f"{inbox_prefix(OPERATOR)}.>",),
    )


def of(identity: str) -> Permissions:
    """Give the permissions of any identity of the bus; `KeyError` for one that is not."""
    if identity == PROVISIONER:
        return of_provisioner()
    if identity == OPERATOR:
        return of_operator()
    return of_service(SERVICES[identity])


def _allow(subjects: Iterable[str], indent: str) -> str:
    lines = ",\n".join(f"{indent}  {json.dumps(subject)}" for subject in dict.fromkeys(subjects))
    return f"{{ allow: [\n{lines}\n{indent}] }}"


def _user(identity: str, public_key: str) -> str:
    allowed = of(identity)
    responses = f'        allow_responses: {{ max: 1, expires: "{RESPONSE_EXPIRES}" }}\n' if allowed.responds else ""
    return (
        f"      # {identity}\n"
        f"      {{ nkey: {public_key}, permissions: {{\n"
        f"        publish: {_allow(allowed.publish, '        ')}\n"
        f"        subscribe: {_allow(allowed.subscribe, '        ')}\n"
        f"{responses}      }} }}\n"
    )


def render_accounts(public_keys: Mapping[str, str]) -> str:
    """Render the `accounts` block and `system_account` for a NATS server's configuration.

    `public_keys` maps every identity of `BUS_USERS` to its public user nkey (`U...`). The system account has no
    user, so nobody can sign in to it. Raises MissingPublicKeyError. The same keys give the same text.
    """
    missing = [identity for identity in BUS_USERS if identity not in public_keys]
    if missing:
        raise MissingPublicKeyError(missing)
    users = "".join(_user(identity, public_keys[identity]) for identity in BUS_USERS)
    return (
        "accounts {\n"
        f"  {ACCOUNT} {{\n"
        "    jetstream: enabled\n"
        f"    users: [\n{users}    ]\n"
        "  }\n"
        f"  {SYSTEM_ACCOUNT} {{ users: [] }}\n"
        "}\n"
        f"system_account: {SYSTEM_ACCOUNT}\n"
    )
