"""Puts together what a term has to do with witnesses: the comparison that it begins with, and a loop for each."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from loguru import logger

from yoyaku.audit_log.adapters.http.outside_witness import OutsideWitness, outside_client
from yoyaku.audit_log.adapters.nats.witness import CosignedByWitness, InnerWitness
from yoyaku.audit_log.adapters.postgres.cosignatures import PostgresCosignatures
from yoyaku.audit_log.adapters.postgres.epoch_evidence import KeysOf
from yoyaku.audit_log.adapters.postgres.epochs import PostgresEpochs, SignedInDatabase
from yoyaku.audit_log.adapters.postgres.tree import PostgresTree
from yoyaku.audit_log.entrypoints.cosigning import keep_cosigned
from yoyaku.audit_log.settings import AuditLogSettings
from yoyaku.audit_log.usecases.begin_term import BeginTerm
from yoyaku.audit_log.usecases.cosign import CosignCheckpoints
from yoyaku.audit_log.usecases.reconcile import CheckpointSource, Reconcile, Reconciliation
from yoyaku.audit_log.usecases.witness_ports import Witness
from yoyaku.audit_log.wiring.term import LeaderWork, Preparation, Term
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.condition import Condition
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.waiting import set_within
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.pool import Pool
from yoyaku.tlog.keys import Algorithm, VerifierKey

INNER: Final = "inner"
OUTSIDE: Final = "outside"
_KEY: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


class WitnessKeyFileError(Exception):
    """The file of the witness's public keys cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What `Leading` runs for witnesses."""

    pool: Pool
    outbox: Outbox
    environment: str
    witnesses: Sequence[tuple[str, Witness]]
    """Each with its kind, INNER or OUTSIDE. What the first one cosigns is the newest cosigned checkpoint."""
    sources: Sequence[CheckpointSource]
    now: Callable[[], datetime]
    keys_of: KeysOf
    """The public keys of all that ever signed for this log."""
    settled: set[int] = field(default_factory=set)
    """The terms, by their number, in which everybody was asked."""

    @property
    def preparations(self) -> Sequence[Preparation]:
        """The comparison with what is known outside, before anything is recorded."""
        return [self._compare]

    @property
    def works(self) -> Sequence[LeaderWork]:
        """The comparison again, while somebody could not be asked; and a loop for each witness."""
        return [
            self._compare_until_all_were_asked,
            *(partial(self._cosign, place) for place in range(len(self.witnesses))),
        ]

    async def _compare(self, term: Term) -> None:
        reconciliation = await self._compared(term)
        if reconciliation.opened is not None:
            await BeginTerm(term.log, term.tree, self.environment)()
        if reconciliation.away:
            told = logger.bind(cause="; ".join(reconciliation.away), signing=reconciliation.may_sign)
            told.warning("not everybody who knows checkpoints of this log can be asked for them")

    async def begin_anew(self, term: Term) -> None:
        """Begin a new tree because the present one cannot be read. Raises LeadershipLostError, PostgresError."""
        self._told(term, await self._reconcile(term).begin_anew())

    def _reconcile(self, term: Term) -> Reconcile:
        epochs = PostgresEpochs(self.pool, self.outbox, term.lease, self.keys_of)
        return Reconcile(epochs, self.sources, self.environment)

    async def _compared(self, term: Term) -> Reconciliation:
        return self._told(term, await self._reconcile(term)())

    def _told(self, term: Term, reconciliation: Reconciliation) -> Reconciliation:
        if reconciliation.opened is not None and reconciliation.why is not None:
            term.tree.reload()
            why = reconciliation.why
            if why.divergence.is_violation:
                term.is_suspect.set()
            told = logger.bind(origin=reconciliation.opened.origin, why=why.divergence.value, detail=why.detail)
            told.error("a new epoch of the audit log begins, its tree cannot be the one that is known outside")
        if reconciliation.may_sign:
            term.may_sign.set()
        if not reconciliation.away:
            self.settled.add(term.lease.epoch)
        return reconciliation

    async def _compare_until_all_were_asked(self, term: Term, ended: asyncio.Event) -> None:
        asked = Condition(away="the log waits to be compared", back="the log was compared with what is known outside")
        while term.lease.epoch not in self.settled and not ended.is_set():
            try:
                away = "; ".join((await self._compared(term)).away)
            except PostgresError as error:
                away = str(error)
            if away:
                await set_within(ended, asked.is_away(away))
        asked.is_back()

    async def _cosign(self, place: int, term: Term, ended: asyncio.Event) -> None:
        kind, witness = self.witnesses[place]
        records = PostgresCosignatures(self.pool, self.outbox, term.lease)
        cosign = CosignCheckpoints(records, PostgresTree(self.pool), witness, self.now, sets_newest=place == 0)
        await keep_cosigned(cosign, ended, kind=kind, now=self.now)


@asynccontextmanager
async def witnesses_of(
    settings: AuditLogSettings,
    pool: Pool,
    outbox: Outbox,
    broker: ServiceBroker,
    *,
    now: Callable[[], datetime],
    keys_of: KeysOf,
    further_sources: Sequence[CheckpointSource] = (),
) -> AsyncIterator[Witnesses]:
    """Make what a leader needs; connections to outside witnesses are closed after the block.

    `further_sources`: others that keep checkpoints of this log. Raises WitnessKeyFileError, MalformedKeyError.
    """
    witnesses: list[tuple[str, Witness]] = []
    sources: list[CheckpointSource] = [SignedInDatabase(pool), *further_sources]
    if settings.witness_public_keys_file is not None:
        inner = InnerWitness(broker, inner_keys(settings.witness_public_keys_file, settings.environment))
        witnesses.append((INNER, inner))
        sources.append(CosignedByWitness(inner))
    async with outside_client() as client:
        for one in settings.outside_witnesses:
            outside = OutsideWitness(client, one.url, VerifierKey.parse(one.vkey))
            witnesses.append((OUTSIDE, outside))
        yield Witnesses(pool, outbox, settings.environment, witnesses, sources, now, keys_of)


def inner_keys(path: Path, environment: str) -> list[VerifierKey]:
    """Read the public keys of the witness in security-detector. Raises WitnessKeyFileError."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").split()
    except OSError as error:
        raise WitnessKeyFileError(f"{path}: {error.strerror}") from error
    if not lines or not all(map(_KEY.fullmatch, lines)):
        raise WitnessKeyFileError(f"{path} holds other lines than public keys of 32 bytes in hexadecimal, or none")
    name = f"witness.yoyaku/{environment}"
    return [VerifierKey(name, Algorithm.COSIGNATURE_V1, bytes.fromhex(line)) for line in lines]
