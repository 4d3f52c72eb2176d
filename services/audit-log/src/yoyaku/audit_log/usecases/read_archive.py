"""Read objects of the archive, and never take one for another: each has a recorded digest."""

from hashlib import sha256

from yoyaku.audit_log.domain.archive import MalformedManifestError, Manifest, StoredFile, manifest_name
from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.usecases.archive_ports import Archive, ArchiveDamagedError, ObjectMissingError


async def read_checked(archive: Archive, origin: str, file: StoredFile) -> bytes:
    """Return an object whose digest is what was recorded. Raises ArchiveDamagedError, ArchiveUnavailableError."""
    name = f"{origin}/{file.name}"
    try:
        data = await archive.read(name)
    except ObjectMissingError as error:
        raise ArchiveDamagedError(name, file.sha256, sha256(b"").digest(), "it is gone") from error
    digest = sha256(data).digest()
    if digest != file.sha256:
        raise ArchiveDamagedError(
            name, file.sha256, digest, f"its digest is {digest.hex()}, recorded is {file.sha256.hex()}"
        )
    return data


async def read_manifest(archive: Archive, origin: str, month: Month, digest: bytes) -> Manifest:
    """Return the manifest of a segment by its recorded digest. Raises as `read_checked`."""
    file = StoredFile(manifest_name(month, digest), digest, 0)
    data = await read_checked(archive, origin, file)
    try:
        return Manifest.decode(data)
    except MalformedManifestError as error:
        raise ArchiveDamagedError(f"{origin}/{file.name}", digest, digest, str(error)) from error
