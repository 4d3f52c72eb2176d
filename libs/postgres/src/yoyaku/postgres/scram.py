"""SCRAM-SHA-256 verifiers, made here so that a password never travels to the server in an SQL text or into its log.

Source: RFC 5802 section 3 and RFC 7677; the stored form `SCRAM-SHA-256$<iterations>:<salt>$<stored>:<server>` is
PostgreSQL's.
"""

import base64
import hashlib
import hmac
import os
import re
from typing import Final

ITERATIONS: Final = 4096
_SALT_BYTES: Final = 16
_VERIFIER: Final = re.compile(r"SCRAM-SHA-256\$(?P<iterations>\d+):(?P<salt>[^$]+)\$(?P<keys>.+)")


def scram_verifier(password: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """Return the verifier PostgreSQL stores for this password. Raises ValueError unless it is printable ASCII."""
    if not password or not password.isascii() or not password.isprintable():
        raise ValueError("a role's password must be printable ASCII, where SASLprep changes nothing")
    salt = salt if salt is not None else os.urandom(_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    server = _hmac(salted, b"Server Key")
    return f"SCRAM-SHA-256${iterations}:{_b64(salt)}${_b64(stored)}:{_b64(server)}"


def matches(password: str, verifier: str | None) -> bool:
    """Say whether the stored verifier belongs to the password."""
    found = _VERIFIER.fullmatch(verifier or "")
    if found is None or verifier is None:
        return False
    own = scram_verifier(password, salt=base64.b64decode(found["salt"]), iterations=int(found["iterations"]))
    return hmac.compare_digest(own, verifier)


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
