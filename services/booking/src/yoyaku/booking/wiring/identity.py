"""People and their sign-ins."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from yoyaku.booking.domain.session import SessionRules
from yoyaku.booking.usecases.change_password import ChangePassword
from yoyaku.booking.usecases.change_person import ChangePerson
from yoyaku.booking.usecases.create_person import CreatePerson
from yoyaku.booking.usecases.disable_person import DisablePerson
from yoyaku.booking.usecases.enable_person import EnablePerson
from yoyaku.booking.usecases.get_person import GetPerson
from yoyaku.booking.usecases.issue_tokens import IssueTokens
from yoyaku.booking.usecases.list_people import ListPeople
from yoyaku.booking.usecases.list_sessions import ListSessions
from yoyaku.booking.usecases.log_in import LogIn
from yoyaku.booking.usecases.log_out import LogOut
from yoyaku.booking.usecases.ports.sessions import Announce
from yoyaku.booking.usecases.ports.sign_in import Passwords, Tokens
from yoyaku.booking.usecases.refresh_session import RefreshSession
from yoyaku.booking.usecases.reset_password import ResetPassword
from yoyaku.booking.usecases.revoke_session import RevokeSession
from yoyaku.booking.wiring.parts import Parts
from yoyaku.booking.wiring.secrets import read_common_passwords

_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Identity:
    """The use cases about people and their sessions."""

    log_in: LogIn
    refresh_session: RefreshSession
    log_out: LogOut
    list_sessions: ListSessions
    revoke_session: RevokeSession
    create_person: CreatePerson
    list_people: ListPeople
    get_person: GetPerson
    change_person: ChangePerson
    disable_person: DisablePerson
    enable_person: EnablePerson
    reset_password: ResetPassword
    change_password: ChangePassword


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def make_identity(parts: Parts, passwords: Passwords, tokens: Tokens, announce: Announce) -> Identity:
    """Put them together."""
    reads, transactions, check, now = parts.reads, parts.transactions, parts.check, parts.now
    rules = SessionRules(
        refresh_lifetime=timedelta(days=parts.settings.refresh_token_days),
        greatest_age=timedelta(days=parts.settings.session_days),
    )
    issue = IssueTokens(tokens, new_secret, rules)
    common = read_common_passwords()
    return Identity(
        log_in=LogIn(reads, transactions, passwords, issue, parts.digest, parts.make_id, now),
        refresh_session=RefreshSession(transactions, issue, announce, parts.digest, now),
        log_out=LogOut(transactions, announce, now),
        list_sessions=ListSessions(reads, check, now),
        revoke_session=RevokeSession(transactions, check, announce, now),
        create_person=CreatePerson(transactions, passwords, check, common, parts.make_id, now),
        list_people=ListPeople(reads, check),
        get_person=GetPerson(reads, check),
        change_person=ChangePerson(transactions, check, announce, now),
        disable_person=DisablePerson(transactions, check, announce, now),
        enable_person=EnablePerson(transactions, check),
        reset_password=ResetPassword(reads, transactions, passwords, check, common, new_secret, announce, now),
        change_password=ChangePassword(reads, transactions, passwords, check, common, announce, parts.digest, now),
    )
