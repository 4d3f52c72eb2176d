"""People and their sign-ins."""

from dataclasses import dataclass

from yoyaku.booking.usecases.create_person import CreatePerson
from yoyaku.booking.usecases.log_in import LogIn
from yoyaku.booking.usecases.ports.sign_in import Passwords, Tokens
from yoyaku.booking.wiring.parts import Parts
from yoyaku.booking.wiring.secrets import read_common_passwords


@dataclass(frozen=True, slots=True)
class Identity:
    """The use cases about people."""

    log_in: LogIn
    create_person: CreatePerson


def make_identity(parts: Parts, passwords: Passwords, tokens: Tokens) -> Identity:
    """Put them together."""
    return Identity(
        log_in=LogIn(parts.reads, parts.transactions, passwords, tokens, parts.digest, parts.now),
        create_person=CreatePerson(
            parts.transactions, passwords, parts.check, read_common_passwords(), parts.make_id, parts.now
        ),
    )
