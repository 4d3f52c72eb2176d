"""Keys of data subjects: made, wrapped, unwrapped and used.

A key is 32 random bytes, wrapped by the master key (RFC 3394). Values are sealed by AES-256-GCM with a random nonce
(NIST SP 800-38D; a key would have to seal 2**32 values before nonces were at risk); digests are HMAC-SHA-256 under a
key derived by HKDF (RFC 5869), so that they are gone with the key.
"""

import base64
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from yoyaku.audit_log.domain.leaf import FORGOTTEN, KEY, SEALED, MalformedLeafError, Open, SealedField
from yoyaku.audit_log.usecases.key_ports import KeyUnusableError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
CLIENT_DIGEST_BYTES: Final = 16
REMEMBERED_KEYS: Final = 10_000
REMEMBERED_SECONDS: Final = 300.0
"""How long an unwrapped key stays in memory: so long a forgotten person's can, if nobody asks for it."""
REMEMBERED_ADDRESSES: Final = 4096
"""Reading an address takes as long as sealing it."""

_DIGEST_INFO: Final = b"yoyaku audit fact digest"
_EVIDENCE_INFO: Final = b"yoyaku audit evidence"

RandomBytes = Callable[[int], bytes]


class SubjectKey:
    """The key of one data subject, and what is derived from it."""

    __slots__ = ("cipher", "digest_key", "evidence_key")

    def __init__(self, key: bytes) -> None:
        self.cipher = AESGCM(key)
        self.digest_key = _derived(key, _DIGEST_INFO)
        self.evidence_key = _derived(key, _EVIDENCE_INFO)


class MasterKey:
    """Wraps and unwraps keys of data subjects."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.id = sha256(b"yoyaku audit master key" + key).hexdigest()[:16]
        """Tells which master key wrapped a key, and nothing about it."""

    def wrap(self, key: bytes) -> bytes:
        """Wrap a key: 40 bytes."""
        return aes_key_wrap(self._key, key)

    def unwrap(self, key_reference: str, wrapped: bytes) -> bytes:
        """Unwrap a key. Raises KeyUnusableError."""
        try:
            return aes_key_unwrap(self._key, wrapped)
        except (InvalidUnwrap, ValueError):
            raise KeyUnusableError(
                f"the key of {key_reference} was wrapped with another master key than AUDIT_LOG_MASTER_KEY_FILE holds"
            ) from None


class SubjectKeys:
    """Unwrapped keys, remembered for a while; one object for a process."""

    def __init__(
        self, master: MasterKey, random_bytes: RandomBytes, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.master = master
        self.random_bytes = random_bytes
        self._clock = clock
        self._known: OrderedDict[tuple[str, bytes], tuple[float, SubjectKey]] = OrderedDict()

    def make(self) -> bytes:
        """Make a new key and return it wrapped."""
        return self.master.wrap(self.random_bytes(KEY_BYTES))

    def unwrapped(self, rows: Mapping[str, bytes]) -> dict[str, SubjectKey]:
        """Return the keys of wrapped ones by their references. Raises KeyUnusableError."""
        self._drop_old()
        return {reference: self._unwrapped(reference, wrapped) for reference, wrapped in rows.items()}

    def usable(self, rows: Mapping[str, bytes]) -> tuple[dict[str, SubjectKey], list[str]]:
        """Return the keys of wrapped ones by their references, and the references of those that cannot be used."""
        found: dict[str, SubjectKey] = {}
        unusable: list[str] = []
        for reference, wrapped in rows.items():
            try:
                found |= self.unwrapped({reference: wrapped})
            except KeyUnusableError:
                unusable.append(reference)
        return found, unusable

    def forget(self, key_reference: str) -> None:
        """Drop a key from memory now."""
        for known in [one for one in self._known if one[0] == key_reference]:
            del self._known[known]

    def _unwrapped(self, reference: str, wrapped: bytes) -> SubjectKey:
        found = self._known.get((reference, wrapped))
        if found is not None:
            return found[1]
        key = SubjectKey(self.master.unwrap(reference, wrapped))
        self._known[reference, wrapped] = (self._clock(), key)
        if len(self._known) > REMEMBERED_KEYS:
            self._known.popitem(last=False)
        return key

    def _drop_old(self) -> None:
        """Drop what was unwrapped too long ago; the oldest are in front."""
        oldest = self._clock() - REMEMBERED_SECONDS
        while self._known and next(iter(self._known.values()))[0] < oldest:
            self._known.popitem(last=False)


class SealingKeyring:
    """The keys of some data subjects, to seal with; see `usecases.key_ports.Keyring`."""

    def __init__(self, keys: Mapping[str, SubjectKey], random_bytes: RandomBytes) -> None:
        self._keys = keys
        self._random_bytes = random_bytes

    def has(self, key_references: Collection[str]) -> bool:
        """Whether all of them are there."""
        return all(reference in self._keys for reference in key_references)

    def seal(self, key_reference: str, associated_data: bytes, plaintext: bytes) -> dict[str, Any]:
        """Give what stands in a leaf in place of a value."""
        key = self._keys.get(key_reference)
        if key is None:
            return {KEY: key_reference, FORGOTTEN: True}
        nonce = self._random_bytes(NONCE_BYTES)
        sealed = nonce + key.cipher.encrypt(nonce, plaintext, associated_data)
        return {KEY: key_reference, SEALED: base64.b64encode(sealed).decode("ascii")}

    def digest(self, key_references: tuple[str, ...], fact_sha256: bytes) -> bytes:
        """Give the keyed digest of a fact: an HMAC under each key over that under the one before."""
        digest = fact_sha256
        for reference in key_references:
            digest = hmac.digest(self._keys[reference].digest_key, digest, "sha256")
        return digest

    def seal_evidence(self, key_references: tuple[str, ...], plaintext: bytes) -> bytes:
        """Encrypt evidence: nonce, ciphertext and tag under a key that follows from all of these."""
        nonce = self._random_bytes(NONCE_BYTES)
        return nonce + AESGCM(self._evidence_key(key_references)).encrypt(nonce, plaintext, None)

    def open_evidence(self, key_references: tuple[str, ...], sealed: bytes) -> bytes:
        """Decrypt evidence. Raises KeyError without one of the keys, InvalidTag when it was changed."""
        nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        return AESGCM(self._evidence_key(key_references)).decrypt(nonce, ciphertext, None)

    def _evidence_key(self, key_references: tuple[str, ...]) -> bytes:
        key = sha256(_EVIDENCE_INFO).digest()
        for reference in key_references:
            key = hmac.digest(self._keys[reference].evidence_key, key, "sha256")
        return key


def opener(keys: Mapping[str, SubjectKey]) -> Open:
    """Make what opens sealed fields; it raises MalformedLeafError for one that was changed."""

    def open_field(field: SealedField) -> bytes | None:
        key = keys.get(field.key_reference)
        if key is None or field.sealed is None:
            return None
        nonce, ciphertext = field.sealed[:NONCE_BYTES], field.sealed[NONCE_BYTES:]
        try:
            return key.cipher.decrypt(nonce, ciphertext, field.associated_data)
        except (InvalidTag, ValueError):
            raise MalformedLeafError(f"the sealed value at {field.pointer} does not open: it was changed") from None

    return open_field


class ClientDigests:
    """Keyed digests of client addresses, by which entries are found and addresses of nobody known are named."""

    def __init__(self, key: bytes, canonical_address: Callable[[str], str]) -> None:
        self._key = key
        self._canonical_address = canonical_address
        self._remembered = lru_cache(REMEMBERED_ADDRESSES)(self._digest)

    def __call__(self, client_address: str) -> bytes:
        """Digest an address in its canonical form: 16 bytes."""
        return self._remembered(client_address)

    def _digest(self, client_address: str) -> bytes:
        address = self._canonical_address(client_address).encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, b"client address\n" + address, "sha256")[:CLIENT_DIGEST_BYTES]


def _derived(key: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(key)
