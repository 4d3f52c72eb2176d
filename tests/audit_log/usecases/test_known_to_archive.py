"""What the archive knows of a log that its database lost."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from yoyaku.audit_log.usecases.archive_ports import ArchiveUnavailableError, ObjectMissingError
from yoyaku.audit_log.usecases.known_to_archive import KnownToArchive
from yoyaku.audit_log.usecases.reconcile import SourceAwayError
from yoyaku.audit_log.usecases.store_checkpoints import stored_name
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.keys import SigningKey, VerifierKey

pytestmark = pytest.mark.requirement("AU-02")

KEY = SigningKey("audit.yoyaku/test/2", b"\x01" * 32)


@dataclass
class Objects:
    """An archive that only reads."""

    objects: dict[str, bytes] = field(default_factory=dict)
    is_away: bool = False
    read_names: list[str] = field(default_factory=list)

    async def put_once(self, name: str, data: bytes) -> None:
        raise NotImplementedError

    async def delete(self, name: str) -> None:
        raise NotImplementedError

    async def read(self, name: str) -> bytes:
        self.read_names.append(name)
        if name not in self.objects:
            raise ObjectMissingError(name)
        return self.objects[name]

    async def names(self, prefix: str, *, after: str = "") -> AsyncIterator[str]:
        if self.is_away:
            raise ArchiveUnavailableError("the store does not answer")
        for name in sorted(self.objects):
            if name.startswith(prefix) and name > after:
                yield name

    def keep(self, size: int, epoch: int = 2, *, is_cosigned: bool = False, key: SigningKey = KEY) -> None:
        signer = key.named(f"audit.yoyaku/test/{epoch}")
        note = Checkpoint(signer.name, size, bytes([size]) * 32).sign([signer]).encode()
        self.objects[stored_name("test", epoch, size, is_cosigned=is_cosigned)] = note


def source(archive: Objects) -> KnownToArchive:
    def keys_of(origin: str) -> list[VerifierKey]:
        return [KEY.named(origin).verifier]

    return KnownToArchive(archive, "test", keys_of)


async def test_the_largest_checkpoint_above_the_tree_is_read_and_no_other() -> None:
    archive = Objects()
    for size in (5, 9, 20):
        archive.keep(size)
        archive.keep(size, is_cosigned=True)
    archive.keep(99, epoch=3)
    found = await source(archive).newest(KEY.name, 9)
    assert found is not None
    assert (found.epoch, found.size, found.root) == (2, 20, b"\x14" * 32)
    assert archive.read_names == [stored_name("test", 2, 20, is_cosigned=True)]
    assert await source(archive).newest(KEY.name, 20) is None
    assert await source(archive).newest("audit.yoyaku/test/1", -1) is None
    later = await source(archive).newest("audit.yoyaku/test/3", -1)
    assert later is not None
    assert later.epoch == 3


async def test_what_cannot_be_believed_is_not_known() -> None:
    archive = Objects(is_away=True)
    with pytest.raises(SourceAwayError, match="does not answer"):
        await source(archive).newest(KEY.name, 0)
    archive = Objects()
    archive.keep(5, key=SigningKey(KEY.name, b"\x02" * 32))
    with pytest.raises(SourceAwayError, match="cannot be used"):
        await source(archive).newest(KEY.name, 0)
    archive = Objects()
    archive.keep(5)
    archive.objects[stored_name("test", 2, 7, is_cosigned=False)] = archive.objects.pop(
        stored_name("test", 2, 5, is_cosigned=False)
    )
    with pytest.raises(SourceAwayError, match="holds the checkpoint of size 5"):
        await source(archive).newest(KEY.name, 0)
