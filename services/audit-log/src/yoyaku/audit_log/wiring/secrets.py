"""The keys that the service reads from files, checked before anything starts."""

import sys
from dataclasses import dataclass
from typing import Final, Self

from yoyaku.audit_log.adapters.key_files import KeyFileError, read_key
from yoyaku.audit_log.adapters.signing_keys import SigningKeysFile
from yoyaku.audit_log.settings import AuditLogSettings
from yoyaku.lifecycle.configuration import EXIT_NOT_CONFIGURED

MASTER_KEY: Final = "master key"
DIGEST_KEY: Final = "digest key"


@dataclass(frozen=True, slots=True)
class Secrets:
    """All keys of the service."""

    signing: SigningKeysFile
    master_key: bytes
    digest_key: bytes

    @classmethod
    def read(cls, settings: AuditLogSettings) -> Self:
        """Read the files that the settings name. Raises KeyFileError."""
        return cls(
            SigningKeysFile(settings.signing_keys_file),
            read_key(settings.master_key_file, MASTER_KEY),
            read_key(settings.digest_key_file, DIGEST_KEY),
        )


def read_secrets(settings: AuditLogSettings) -> Secrets:
    """Read the files that the settings name; else one line on standard error, and SystemExit(2)."""
    try:
        return Secrets.read(settings)
    except KeyFileError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(EXIT_NOT_CONFIGURED) from None
