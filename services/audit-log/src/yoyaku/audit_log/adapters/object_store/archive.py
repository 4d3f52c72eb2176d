"""Objects by name in the store that a URL names, written once.

What is promised: `put_once` never replaces an object (the store's own conditional create), and when it returns the
object is as durable as the store makes it. S3, Azure and Google acknowledge what is stored; a local folder is synced
by `durable_folder`, since object_store, the library underneath, leaves that to the operating system.
Credentials come from the environment that the provider's own tools read (AWS_..., AZURE_..., GOOGLE_...) or from the
machine's identity, never from the URL.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from yoyaku.audit_log.adapters.object_store.durable_folder import make_durable, make_folder
from yoyaku.audit_log.usecases.archive_ports import ArchiveDamagedError, ArchiveUnavailableError, ObjectMissingError

SCHEMES: Final = ("file", "s3", "az", "gs")


class ArchiveUrlError(ValueError):
    """The URL of the object store cannot be used; its text never holds what may be a secret."""


def open_archive(url: str) -> "ObjectStoreArchive":
    """Open a store: `file:///folder`, `s3://bucket/prefix`, `az://container/prefix`, `gs://bucket/prefix`.

    The account of Azure is in AZURE_STORAGE_ACCOUNT_NAME. A local folder is made when it is missing. Nothing is asked
    of the store yet. Raises ArchiveUrlError.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ArchiveUrlError(f"an object store is one of {', '.join(f'{one}://' for one in SCHEMES)}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ArchiveUrlError("the URL of an object store holds no credentials and no parameters: set the environment")
    if parts.scheme != "file":
        try:
            return ObjectStoreArchive(from_url(url))
        except (BaseError, ValueError) as error:
            raise ArchiveUrlError(f"the object store {url} cannot be used: {_first_line(error)}") from error
    folder = Path(unquote(parts.path))
    if parts.netloc or not folder.is_absolute() or folder == Path("/"):
        raise ArchiveUrlError("the URL of a local object store is file:/// and an absolute folder")
    try:
        make_folder(folder)
        return ObjectStoreArchive(LocalStore(folder), folder)
    except (BaseError, OSError) as error:
        raise ArchiveUrlError(f"the folder {folder} cannot be used: {_first_line(error)}") from error


class ObjectStoreArchive:
    """The archive in one object store; a `folder` is synced after each write."""

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    async def put_once(self, name: str, data: bytes) -> None:
        """Store an object durably; see `Archive`."""
        with _mapped_errors(name):
            try:
                await obstore.put_async(self._store, name, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                await self._expect(name, data)
        if self._folder is not None:
            # Also when it was there: who wrote it may have crashed before this line.
            with _mapped_errors(name):
                await make_durable(self._folder, name)

    async def _expect(self, name: str, data: bytes) -> None:
        found = await self.read(name)
        if found != data:
            expected, digest = sha256(data).digest(), sha256(found).digest()
            raise ArchiveDamagedError(name, expected, digest, "other bytes stand under a name that is written once")

    async def read(self, name: str) -> bytes:
        """Return an object; see `Archive`."""
        with _mapped_errors(name):
            answer = await obstore.get_async(self._store, name)
            return bytes(await answer.bytes_async())

    async def delete(self, name: str) -> None:
        """Delete an object, if there is one."""
        with _mapped_errors(name):
            try:
                await obstore.delete_async(self._store, name)
            except FileNotFoundError:
                return

    async def names(self, prefix: str, *, after: str = "") -> AsyncIterator[str]:
        """Give the names below a folder, in order."""
        with _mapped_errors(prefix):
            found: list[str] = []
            async for batch in obstore.list(self._store, prefix=prefix.rstrip("/"), offset=after or None):
                found += [one["path"] for one in batch]
        for name in sorted(found):
            yield name


@contextmanager
def _mapped_errors(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissingError(name) from error
    except (BaseError, OSError) as error:
        raise ArchiveUnavailableError(f"{name}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300] or type(error).__name__
