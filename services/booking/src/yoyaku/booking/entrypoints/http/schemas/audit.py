"""What is asked of the audit log, and what it answers."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from yoyaku.booking.entrypoints.http.queries import MomentText, moment_of
from yoyaku.booking.entrypoints.http.schemas.fields import NO_CONTROL
from yoyaku.booking.usecases.read_audit_log import AuditFilters, AuditPage
from yoyaku.contracts.rpc import AuditEntry, AuditResult

LARGEST_POSITION = 2**63 - 2

Text = Annotated[str | None, Field(min_length=1, max_length=512, pattern=NO_CONTROL)]
Position = Annotated[int, Field(ge=-1, le=LARGEST_POSITION)]


class Order(StrEnum):
    """Which entries come first."""

    OLDEST = "oldest"
    NEWEST = "newest"


class AuditPageQuery(BaseModel):
    """Which page of the audit log."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Annotated[
        Position,
        Field(description="The page goes on after this position, downwards when the newest come first; -1 begins."),
    ] = -1
    until: Annotated[
        int | None,
        Field(
            ge=-1,
            le=LARGEST_POSITION,
            description="The last position of this reading. `Link` carries it on, so that following it ends, although "
            "each page that is read is recorded too.",
        ),
    ] = None
    limit: Annotated[int, Field(ge=1, le=500, description="Entries on a page.")] = 100


class AuditQuery(AuditPageQuery):
    """Which entries: everything given must hold."""

    order: Annotated[Order, Field(description="`newest` reads backwards.")] = Order.OLDEST
    actor: Annotated[Text, Field(description="Who acted.", examples=["operator"])] = None
    subject: Annotated[Text, Field(description="What it is about.", examples=["room/7"])] = None
    type: Annotated[Text, Field(description="What happened.", examples=["booking.reservation.confirmed.v1"])] = None
    correlation_id: Annotated[Text, Field(description="Which request it belongs to.")] = None
    event_id: Annotated[Text, Field(description="The one event.")] = None
    client_address: Annotated[
        Text,
        Field(description="From where; not of people who were forgotten.", examples=["192.0.2.1"]),
    ] = None
    result: Annotated[AuditResult | None, Field(description="How it ended.")] = None
    occurred_from: Annotated[MomentText, Field(description="Facts of this time or later, in RFC 3339.")] = None
    occurred_before: Annotated[MomentText, Field(description="Facts before this time.")] = None
    recorded_from: Annotated[MomentText, Field(description="Entries recorded at this time or later.")] = None
    recorded_before: Annotated[MomentText, Field(description="Entries recorded before this time.")] = None

    def filters(self) -> AuditFilters:
        """Return the conditions. Raises RuleBrokenError for a time that is none."""
        return AuditFilters(
            actor=self.actor,
            subject=self.subject,
            type=self.type,
            correlation_id=self.correlation_id,
            event_id=self.event_id,
            client_address=self.client_address,
            result=self.result,
            occurred_from=moment_of("occurred_from", self.occurred_from),
            occurred_before=moment_of("occurred_before", self.occurred_before),
            recorded_from=moment_of("recorded_from", self.recorded_from),
            recorded_before=moment_of("recorded_before", self.recorded_before),
        )

    def page(self) -> AuditPage:
        """Return which page."""
        return AuditPage(self.after, self.until, self.limit, newest_first=self.order is Order.NEWEST)


class EpochQuery(BaseModel):
    """Which tree."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: Annotated[int | None, Field(ge=1, le=2**31 - 1, description="The newest when left out.")] = None


class ConsistencyQuery(EpochQuery):
    """Between which sizes."""

    old_size: Annotated[int, Field(alias="from", title="From", ge=0, le=LARGEST_POSITION)]
    new_size: Annotated[int, Field(alias="to", title="To", ge=0, le=LARGEST_POSITION)]


class AuditEntryList(BaseModel):
    """A page of entries by position; `Link` names the first and the next one."""

    items: list[AuditEntry]
    until: Annotated[int, Field(description="The last position of this reading; -1 for an empty log.")]


class AuditEntryDetail(BaseModel):
    """One entry, with the very bytes that the tree holds."""

    entry: AuditEntry
    epoch: int
    leaf: Annotated[str, Field(description="The stored bytes in base64.", examples=["eyJ2IjoxfQ=="])]
    is_proven: Annotated[bool, Field(description="Whether a signed checkpoint covers it yet: in about a second.")]


class CheckpointOutput(BaseModel):
    """What the log signed last."""

    epoch: int
    origin: str
    size: Annotated[int, Field(description="How many entries of the epoch it vouches for.")]
    note: Annotated[str, Field(description="The C2SP signed note, with the lines of witnesses.")]


class ConsistencyOutput(BaseModel):
    """The proof that a log only grew between two sizes."""

    epoch: int
    proof: Annotated[list[str], Field(description="Hashes in base64, as RFC 6962 section 2.1.2 orders them.")]
