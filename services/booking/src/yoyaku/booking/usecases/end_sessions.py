"""End sessions inside a transaction: revoke them, deny their access tokens, and say so.

Invariant: what is returned was added to the transaction and is announced by the caller once that has committed.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from yoyaku.booking.domain.denials import Denial, DenialKind
from yoyaku.booking.domain.person import Person
from yoyaku.booking.domain.session import Session
from yoyaku.booking.domain.signing_key import TOKEN_LIFETIME
from yoyaku.booking.usecases.ports.transactions import Transaction
from yoyaku.contracts.identity_v1 import RevocationReason, SessionRevoked

CLOCK_SLACK: Final = timedelta(seconds=60)
"""How much longer than its tokens a denial is kept: clocks differ."""
_INSTANT: Final = timedelta(microseconds=1)


async def end_session(
    tx: Transaction,
    session: Session,
    reason: RevocationReason,
    *,
    now: datetime,
    actor: str,
    client_address: str | None,
) -> list[Denial]:
    """Revoke a held session and deny its access tokens."""
    await tx.sessions.revoke(session.id, now)
    _say_revoked(tx, [session], reason, actor=actor, client_address=client_address)
    return await _deny_sessions(tx, [session], now)


async def end_other_sessions(
    tx: Transaction, person: Person, kept: UUID | None, *, now: datetime, actor: str, client_address: str | None
) -> list[Denial]:
    """Revoke all sessions but one of a person held for change, because the password is another now."""
    ended = await tx.sessions.revoke_all(person.id, now, but=kept)
    live = [session for session in ended if session.is_live(now)]
    _say_revoked(tx, live, RevocationReason.PASSWORD_CHANGED, actor=actor, client_address=client_address)
    return await _deny_sessions(tx, ended, now)


async def end_all_sessions(
    tx: Transaction,
    person: Person,
    reason: RevocationReason,
    *,
    now: datetime,
    actor: str,
    client_address: str | None,
) -> tuple[Person, list[Denial]]:
    """Revoke every session of a person held for change and deny every access token issued so far.

    Returns the person with the not-before, still to be stored. It is later than every `iat` that was ever given out,
    though another process's clock may be ahead of `now`.
    """
    ended = await tx.sessions.revoke_all(person.id, now, but=None)
    live = [session for session in ended if session.is_live(now)]
    _say_revoked(tx, live, reason, actor=actor, client_address=client_address)
    issued = [session.last_used_at for session in ended] + ([person.not_before] if person.not_before else [])
    not_before = max([now, *(moment + _INSTANT for moment in issued)])
    until = max([not_before + TOKEN_LIFETIME, *(session.access_until for session in ended)]) + CLOCK_SLACK
    denial = Denial(DenialKind.PERSON, str(person.id), until, not_before)
    await tx.denials.add(denial)
    return replace(person, not_before=not_before), [denial]


async def _deny_sessions(tx: Transaction, sessions: Iterable[Session], now: datetime) -> list[Denial]:
    denials = [
        Denial(DenialKind.SESSION, str(session.id), session.access_until + CLOCK_SLACK)
        for session in sessions
        if session.access_until + CLOCK_SLACK > now
    ]
    for denial in denials:
        await tx.denials.add(denial)
    return denials


def _say_revoked(
    tx: Transaction, sessions: Iterable[Session], reason: RevocationReason, *, actor: str, client_address: str | None
) -> None:
    for session in sessions:
        tx.emit(
            SessionRevoked(
                person_id=str(session.person_id),
                session_id=str(session.id),
                reason=reason,
                client_address=client_address,
            ),
            subject=f"person/{session.person_id}",
            actor=actor,
            client_address=client_address,
        )
