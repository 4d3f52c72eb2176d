"""Chapter: an attacker guesses passwords and is blocked, while a neighbour goes on working."""

import asyncio
import time
from dataclasses import dataclass, field

import httpx

from yoyaku.embedded.story.stage import ATTACKER, NEIGHBOUR, Stage, described, problem_of, trace_id_of

GUESSES_ALLOWED = 5
GUESSING_SECONDS = 30.0
_WORDS = ("sakura-123456", "password-1234", "letmein-please", "tokyo-tower-1", "qwerty-qwerty", "aiko-aiko-aiko")


@dataclass(slots=True)
class Siege:
    """What the attacker got as answers, in order, and when."""

    answers: list[httpx.Response] = field(default_factory=list)
    last_guess_at: float = 0.0
    blocked_at: float = 0.0

    @property
    def blocked(self) -> httpx.Response | None:
        """The first refusal with 403."""
        return next((answer for answer in self.answers if answer.status_code == 403), None)


async def attacker_is_blocked(stage: Stage) -> None:
    """127.0.0.2 guesses Aiko's password until it is blocked; 127.0.0.3 signs in and books all the while."""
    stage.narrator.say(
        f"Somebody at [red]{ATTACKER}[/red] guesses Aiko's password. "
        f"A neighbour at [green]{NEIGHBOUR}[/green] works through the same gateway at the same time."
    )
    over = asyncio.Event()
    neighbour = asyncio.create_task(_neighbour_works(stage, over))
    try:
        siege = await _besiege(stage)
    finally:
        over.set()
    during = await neighbour
    _judge_siege(stage, siege)
    await _refused_with_right_password(stage)
    _judge_neighbour(stage, during)
    after = await stage.book(
        stage.cast.person("chie"), stage.cast.room("Fuji"), stage.slot(days=3, hour=9), "After", address=NEIGHBOUR
    )
    stage.holds("after the block the neighbour still books", after.status_code == 201, described(after))
    stage.expect_in_audit(
        "the neighbour booked Fuji", "booking.reservation.confirmed.v1", reservation_id=after.json().get("id")
    )


async def _besiege(stage: Stage) -> Siege:
    siege, target = Siege(), stage.cast.person("aiko").credentials.user_id
    deadline = time.monotonic() + GUESSING_SECONDS
    while siege.blocked is None and time.monotonic() < deadline:
        word = _WORDS[len(siege.answers) % len(_WORDS)]
        answer = await stage.post("/api/v1/auth/login", None, {"user_id": target, "password": word}, address=ATTACKER)
        siege.answers.append(answer)
        if len(siege.answers) == GUESSES_ALLOWED:
            siege.last_guess_at = time.monotonic()
        siege.blocked_at = time.monotonic()
    return siege


def _judge_siege(stage: Stage, siege: Siege) -> None:
    statuses = [answer.status_code for answer in siege.answers]
    marks = "  ".join(
        f"[yellow]{status}[/yellow]" if status == 401 else f"[bold red]{status}[/bold red]" for status in statuses
    )
    stage.narrator.say(f"The answers it gets: {marks}")
    stage.holds(
        f"its first {GUESSES_ALLOWED} guesses are wrong passwords (401)",
        statuses[:GUESSES_ALLOWED] == [401] * GUESSES_ALLOWED,
        statuses,
    )
    blocked = siege.blocked
    stage.must_hold("then its address is blocked (403)", blocked is not None, statuses)
    if blocked is None:
        return
    stage.holds(
        "the refusal is a problem document that says so",
        "block" in problem_of(blocked).get("code", ""),
        described(blocked),
    )
    stage.narrator.say(
        f"[dim]{(siege.blocked_at - siege.last_guess_at) * 1000:.0f} ms from the answer to the "
        f"{GUESSES_ALLOWED}th guess to the first refusal[/dim]"
    )
    wrong = [answer for answer in siege.answers if answer.status_code == 401]
    for number, answer in enumerate(wrong, start=1):
        stage.cast.traces[f"guess {number}"] = trace_id_of(answer)
    stage.expect_in_audit(
        "a wrong password was typed",
        "identity.login.failed.v1",
        client_address=ATTACKER,
        person_id=stage.cast.person("aiko").person_id,
    )
    stage.expect_in_audit("an incident was opened", "security.incident.opened.v1", client_address=ATTACKER)
    stage.expect_in_audit("the address was blocked", "security.block.imposed.v1", value=ATTACKER)


async def _refused_with_right_password(stage: Stage) -> None:
    given = stage.cast.person("aiko").credentials
    body = {"user_id": given.user_id, "password": given.password}
    right = await stage.post("/api/v1/auth/login", None, body, address=ATTACKER)
    stage.holds("even the right password is refused from there", right.status_code == 403, right.status_code)
    home = await stage.post("/api/v1/auth/login", None, body)
    stage.holds(
        "Aiko herself still signs in from home: no account was locked", home.status_code == 200, described(home)
    )


async def _neighbour_works(stage: Stage, over: asyncio.Event) -> list[httpx.Response]:
    """Sign in and read again and again until the siege is over; return every answer."""
    chie = stage.cast.person("chie")
    answers = [await stage.sign_in(chie, address=NEIGHBOUR)]
    http = await stage.http(NEIGHBOUR)
    while not over.is_set():
        answers.append(await http.get("/api/v1/rooms", headers={"Authorization": f"Bearer {chie.token}"}))
        await asyncio.sleep(0.02)
    return answers


def _judge_neighbour(stage: Stage, answers: list[httpx.Response]) -> None:
    failed = [answer for answer in answers if answer.status_code != 200]
    stage.holds(
        f"the neighbour at {NEIGHBOUR} was served all {len(answers)} times meanwhile",
        not failed and len(answers) > 1,
        [described(answer) for answer in failed[:3]],
    )
