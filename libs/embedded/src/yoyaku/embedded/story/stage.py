"""What a chapter plays on: the running system seen from outside (HTTP, processes), the narrator, the facts, the cast.

A chapter is a function that takes a `Stage`. It acts as people and programs do, over HTTP from a loopback address,
and states what came of it as facts. Waiting means asking again until a condition holds, with a deadline.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import httpx

from yoyaku.client import Client, ProblemError, Session
from yoyaku.client.models.sign_in import Tokens
from yoyaku.embedded.story.facts import ChapterBrokenError, Facts
from yoyaku.embedded.story.narrator import Narrator
from yoyaku.embedded.telemetry_client import TelemetryClient

HOME = "127.0.0.1"
ATTACKER = "127.0.0.2"
NEIGHBOUR = "127.0.0.3"
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.1
REQUEST_TIMEOUT_SECONDS = 30.0
TOKYO = timezone(timedelta(hours=9), "JST")
"""The clock of every room of the story."""

Seen = TypeVar("Seen")


class House(Protocol):
    """The running system, as the story needs it."""

    gateway_url: str
    telemetry_url: str
    data: Path

    def pid(self, process: str) -> int | None:
        """Return the id of the running process of this name."""

    def kill(self, process: str) -> int:
        """Send kill -9 to the process of this name; return the id it had."""

    async def operate(self, *arguments: str) -> str:
        """Type a `yoyaku` command as an operator of the machine does; return what it printed.

        Raises ChapterBrokenError when it failed.
        """

    async def operate_service(self, process: str, *arguments: str) -> str:
        """Type a `yoyaku` command with the settings of this process; return what it printed.

        Raises ChapterBrokenError when it failed.
        """

    async def outside(self, *arguments: str) -> tuple[int, str]:
        """Type a `yoyaku` command as somebody elsewhere does; return its exit code and what it printed."""

    async def as_superuser(self, database: str, statement: str, *values: object) -> Any:
        """Run a statement with all rights over a database, triggers switched off; return the first value, if any."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a person signs in."""

    user_id: str
    password: str


@dataclass(slots=True)
class Person:
    """Someone of the story."""

    credentials: Credentials
    display_name: str
    person_id: str = ""
    token: str = ""
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class AuditExpectation:
    """A fact that has to be in the audit log: its name for people, its event type, and how to know it."""

    label: str
    type: str
    matches: Callable[[Mapping[str, Any]], bool]


@dataclass(slots=True)
class Cast:
    """Who and what the story has so far; earlier chapters fill it, later ones build on it."""

    admin: Person
    people: dict[str, Person] = field(default_factory=dict)
    rooms: dict[str, int] = field(default_factory=dict)
    reservation: dict[str, Any] = field(default_factory=dict)
    moved: str = ""
    """The booking that Ben moved."""
    traces: dict[str, str] = field(default_factory=dict)
    in_audit: list[AuditExpectation] = field(default_factory=list)

    def person(self, name: str) -> Person:
        """Return someone; raises ChapterBrokenError when no earlier chapter brought them in."""
        if name not in self.people:
            raise ChapterBrokenError(f"{name} has not come in")
        return self.people[name]

    def room(self, name: str) -> int:
        """Return a room's id; raises ChapterBrokenError when no earlier chapter made it."""
        if name not in self.rooms:
            raise ChapterBrokenError(f"room {name} was not made")
        return self.rooms[name]

    def trace(self, name: str) -> str:
        """Return a remembered trace id; raises ChapterBrokenError when no earlier chapter left it."""
        if name not in self.traces:
            raise ChapterBrokenError(f"no trace of the {name} was left")
        return self.traces[name]


class Stage:
    """The system, the console, the facts and the cast of one performance."""

    def __init__(
        self, house: House, narrator: Narrator, facts: Facts, admin: Credentials, exits: AsyncExitStack
    ) -> None:
        self.house = house
        self.narrator = narrator
        self.cast = Cast(admin=Person(admin, "the administrator"))
        self.chapter_name = ""
        self._facts = facts
        self._exits = exits
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._yoyakus: dict[tuple[str, str], Client] = {}
        self.telemetry = TelemetryClient(house.telemetry_url)
        exits.push_async_exit(self.telemetry.__aexit__)
        self.today = datetime.now(TOKYO).replace(hour=0, minute=0, second=0, microsecond=0)

    async def http(self, address: str = HOME) -> httpx.AsyncClient:
        """Return the client whose requests come from this loopback address."""
        if address not in self._clients:
            transport = httpx.AsyncHTTPTransport(
                local_address=address, limits=httpx.Limits(max_connections=200, max_keepalive_connections=200)
            )
            client = httpx.AsyncClient(
                base_url=self.house.gateway_url,
                transport=transport,
                timeout=REQUEST_TIMEOUT_SECONDS,
                trust_env=False,
                headers={"Accept-Language": "ja"},
            )
            self._clients[address] = await self._exits.enter_async_context(client)
        return self._clients[address]

    async def get(self, path: str, person: Person, **query: str | int) -> httpx.Response:
        """Ask as a person."""
        return await (await self.http()).get(path, params=query, headers=bearer(person))

    async def post(
        self, path: str, person: Person | None, body: Mapping[str, Any], *, address: str = HOME, key: str | None = None
    ) -> httpx.Response:
        """Send JSON as a person (or as nobody), with an Idempotency-Key when one is given."""
        headers = bearer(person) if person else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        return await (await self.http(address)).post(path, json=dict(body), headers=headers)

    async def sign_in(self, person: Person, *, address: str = HOME) -> httpx.Response:
        """Sign a person in; their token is kept when it worked."""
        given = person.credentials
        answer = await self.post(
            "/api/v1/auth/login", None, {"user_id": given.user_id, "password": given.password}, address=address
        )
        if answer.is_success:
            tokens = Tokens.model_validate_json(answer.content)
            person.token = tokens.access_token.get_secret_value()
            person.session = Session.of(tokens, user_id=given.user_id, now=datetime.now(UTC))
        return answer

    async def client(self, person: Person, *, place: str = "") -> Client:
        """Return the person's `yoyaku.client` with the session they opened; at another `place`, one signed in there."""
        key = (person.credentials.user_id, place)
        if key not in self._yoyakus:
            client = Client(self.house.gateway_url, session=None if place else person.session, language="ja")
            self._yoyakus[key] = await self._exits.enter_async_context(client)
            if place or person.session is None:
                await client.auth.log_in(person.credentials.user_id, person.credentials.password)
        return self._yoyakus[key]

    async def refused(self, text: str, asking: Awaitable[object], status: int) -> ProblemError:
        """State that what a client asks for is refused with this status; the rest of the chapter stands on it."""
        try:
            given = await asking
        except ProblemError as problem:
            self.must_hold(text, problem.status == status, problem)
            return problem
        self.must_hold(text, False, given)
        raise AssertionError(text)

    async def book(
        self,
        person: Person,
        room_id: int,
        starts_at: datetime,
        title: str,
        *,
        address: str = HOME,
        key: str | None = None,
    ) -> httpx.Response:
        """Ask for an hour of a room."""
        wish = {
            "room_id": room_id,
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(hours=1)).isoformat(),
            "title": title,
        }
        return await self.post("/api/v1/reservations", person, wish, address=address, key=key or str(uuid4()))

    def holds(self, text: str, held: bool, seen: object) -> bool:  # noqa: FBT001
        """State a fact: what is claimed, whether it held, what was seen."""
        return self._facts.state(self.chapter_name, text, held=held, seen=seen)

    def must_hold(self, text: str, held: bool, seen: object) -> None:  # noqa: FBT001
        """State a fact that the rest of the chapter stands on. Raises ChapterBrokenError."""
        if not self.holds(text, held, seen):
            raise ChapterBrokenError(text)

    def answered(self, text: str, answer: httpx.Response, status: int) -> None:
        """State that an answer has this status; the rest of the chapter stands on it."""
        self.must_hold(text, answer.status_code == status, described(answer))

    async def eventually(
        self,
        probe: Callable[[], Awaitable[Seen]],
        until: Callable[[Seen], bool],
        *,
        within_seconds: float = PATIENCE_SECONDS,
    ) -> Seen:
        """Ask until the condition holds or the time is over; return what was seen last."""
        deadline = time.monotonic() + within_seconds
        while True:
            seen = await probe()
            if until(seen) or time.monotonic() >= deadline:
                return seen
            await asyncio.sleep(POLL_SECONDS)

    async def reservations(self, room_id: int, day: datetime) -> list[dict[str, Any]]:
        """Return what the administrator sees of a room's day. Raises ChapterBrokenError when the list is refused."""
        answer = await self.get(
            "/api/v1/reservations", self.cast.admin, date=f"{day:%Y-%m-%d}", room_id=room_id, limit=200
        )
        if answer.status_code != 200:
            raise ChapterBrokenError(f"the list of reservations answered {described(answer)}")
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    def expect_in_audit(self, label: str, event_type: str, **body: object) -> None:
        """Remember that the audit log must hold an event of this type whose body has these values."""

        def matches(entry: Mapping[str, Any]) -> bool:
            said = entry.get("body") or {}
            return all(said.get(name) == value for name, value in body.items())

        self.cast.in_audit.append(AuditExpectation(label, event_type, matches))

    def slot(self, *, days: int, hour: int) -> datetime:
        """Return a full hour of a coming day in Tokyo."""
        return self.today + timedelta(days=days, hours=hour)


@asynccontextmanager
async def staged(house: House, narrator: Narrator, facts: Facts, admin: Credentials) -> AsyncIterator[Stage]:
    """Set the stage; every connection is closed behind the last chapter."""
    async with AsyncExitStack() as exits:
        yield Stage(house, narrator, facts, admin, exits)


def bearer(person: Person) -> dict[str, str]:
    """Return the header that names a signed-in person."""
    return {"Authorization": f"Bearer {person.token}"}


def described(answer: httpx.Response) -> str:
    """Return an answer for people: status and body."""
    return f"{answer.status_code} {answer.text[:300]}"


def trace_id_of(answer: httpx.Response) -> str:
    """Return the id of the trace that an answer belongs to; empty when it names none."""
    if found := answer.headers.get("x-trace-id"):
        return str(found)
    parts = answer.headers.get("traceparent", "").split("-")
    return parts[1] if len(parts) == 4 else ""


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    """Return the problem of an answer (RFC 9457); empty when it is none."""
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return {}
    problem: dict[str, Any] = answer.json()
    return problem
