"""Writes exports of an audit log from the definitions of the specifications, word for word and slowly.

Shares nothing with the code that writes the real log, nor with the verifier: the three hold each other to the text.
Sources: RFC 6962 section 2.1; C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles, tlog-proof.
"""

import base64
import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

BEGIN = datetime(2026, 11, 24, 2, 50, tzinfo=UTC)
WIDTH = 256


@dataclass(frozen=True)
class Signer:
    """A key that signs: of a log (kind 1) or of a witness (kind 4). The same seed, the same key."""

    name: str
    seed: int = 0
    kind: int = 1

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(sha256(f"{self.name} {self.seed}".encode()).digest())

    @property
    def _material(self) -> bytes:
        return bytes([self.kind]) + self._private.public_key().public_bytes_raw()

    @property
    def _id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + self._material).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key as it is given to verifiers."""
        return f"{self.name}+{self._id.hex()}+{base64.b64encode(self._material).decode()}"

    def line(self, text: str, at: datetime = BEGIN) -> str:
        """Return the signature line under a note's text; a witness signs at a time."""
        stamp, message = b"", text
        if self.kind == 4:
            seconds = int(at.timestamp())
            stamp, message = struct.pack(">Q", seconds), f"cosignature/v1\ntime {seconds}\n{text}"
        signature = self._id + stamp + self._private.sign(message.encode())
        return f"\u2014 {self.name} {base64.b64encode(signature).decode()}\n"


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return MTH(D[n]) over leaf hashes."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01" + root_of(hashes[:split]) + root_of(hashes[split:])).digest()


def proof_of(index: int, hashes: Sequence[bytes]) -> list[bytes]:
    """Return PATH(m, D[n]) over leaf hashes."""
    if len(hashes) == 1:
        return []
    split = 1 << (len(hashes) - 1).bit_length() - 1
    if index < split:
        return [*proof_of(index, hashes[:split]), root_of(hashes[split:])]
    return [*proof_of(index - split, hashes[split:]), root_of(hashes[:split])]


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one leaf."""
    return sha256(b"\x00" + leaf).digest()


def canonical(entry: Mapping[str, Any]) -> bytes:
    """Return an entry as the log stores it."""
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def sample_entry(position: int, recorded_at: datetime, **changes: Any) -> bytes:
    """Return the leaf of a reservation that was made."""
    at = recorded_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    entry = {
        "v": 1,
        "position": position,
        "recorded_at": at,
        "source": f"/booking/{position % 64:02d}",
        "number": position // 64 + 1,
        "event_id": f"0199-{position:012d}",
        "type": "booking.reservation.confirmed.v1",
        "occurred_at": at,
        "actor": f"person/{position % 97}",
        "subject": f"reservation/{position}",
        "correlation_id": f"c-{position}",
        "dataschema": "booking.reservation.confirmed.v1",
        "client_address": {"key": f"person/{position % 97}", "sealed": "q83vEjRWeJASNFZ4kBI0VniQq83vEjRWeJASNFZ4kA=="},
        "body": {
            "reservation_id": position,
            "room_id": position % 40,
            "starts_at": "2026-12-01T01:00:00Z",
            "ends_at": "2026-12-01T02:00:00Z",
            "title": {"key": f"person/{position % 97}", "sealed": "q83vEjRWeJASNFZ4kBI0VniQq83vEjRWeJASNFZ4kA=="},
        },
    }
    return canonical({name: value for name, value in (entry | changes).items() if value is not None})


@dataclass
class History:
    """An honest log, kept in memory: its leaves, the notes that it gave out, the bodies beside."""

    origin: str = "audit.yoyaku/test/1"
    first_position: int = 0
    leaves: list[bytes] = field(default_factory=list)
    notes: dict[int, bytes] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    now: datetime = BEGIN

    @property
    def hashes(self) -> list[bytes]:
        """The leaf hashes."""
        return [leaf_hash(leaf) for leaf in self.leaves]

    def append(self, count: int, every: timedelta = timedelta(seconds=60)) -> None:
        """Record the next entries."""
        for _ in range(count):
            self.leaves.append(sample_entry(self.first_position + len(self.leaves), self.now))
            self.now += every

    def append_large(self, body: bytes) -> None:
        """Record an entry whose body is kept beside."""
        digest = sha256(body).hexdigest()
        self.bodies[digest] = body
        position = self.first_position + len(self.leaves)
        large = {"body": None, "body_sha256": digest, "body_size_bytes": len(body)}
        self.leaves.append(sample_entry(position, self.now, **large))

    def note(self, signers: Iterable[Signer], size: int | None = None, root: bytes | None = None) -> bytes:
        """Return a checkpoint of so many leaves, signed now."""
        size = len(self.leaves) if size is None else size
        root = root_of(self.hashes[:size]) if root is None else root
        text = f"{self.origin}\n{size}\n{base64.b64encode(root).decode()}\n"
        return (text + "\n" + "".join(signer.line(text, self.now) for signer in signers)).encode()

    def keep(self, *signers: Signer) -> bytes:
        """Sign a checkpoint now and keep it."""
        self.notes[len(self.leaves)] = self.note(signers)
        return self.notes[len(self.leaves)]

    def proof_file(self, index: int, size: int) -> bytes:
        """Return the proof of an entry under the kept checkpoint of `size`."""
        lines = ["c2sp.org/tlog-proof@v1", f"extra {base64.b64encode(self.leaves[index]).decode()}", f"index {index}"]
        lines += [base64.b64encode(part).decode() for part in proof_of(index, self.hashes[:size])]
        return "\n".join(lines).encode() + b"\n\n" + self.notes[size]


def path_of(level: int | str, index: int, width: int = WIDTH) -> str:
    """Return the path of a tile or bundle."""
    digits = f"{index:03d}"
    digits = "0" * (-len(digits) % 3) + digits
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return f"tile/{level}/{path}" + (f".p/{width}" if width < WIDTH else "")


def tiles_of(hashes: Sequence[bytes]) -> dict[str, bytes]:
    """Return every tile of the tree over these leaf hashes, by path."""
    tiles, level, row = {}, 0, list(hashes)
    while row:
        for at in range(0, len(row), WIDTH):
            part = row[at : at + WIDTH]
            tiles[path_of(level, at // WIDTH, len(part))] = b"".join(part)
        row = [root_of(row[at : at + WIDTH]) for at in range(0, len(row) - len(row) % WIDTH, WIDTH)]
        level += 1
    return tiles


def bundles_of(leaves: Sequence[bytes], size: int | None = None) -> dict[str, bytes]:
    """Return the entry bundles by path, named as for a tree of `size` entries."""
    bundles, size = {}, len(leaves) if size is None else size
    for at in range(0, size, WIDTH):
        end = at + WIDTH if at + WIDTH <= size else len(leaves)
        data = b"".join(struct.pack(">H", len(leaf)) + leaf for leaf in leaves[at:end])
        bundles[path_of("entries", at // WIDTH, min(WIDTH, size - at))] = data
    return bundles


def files_of(history: History, head: bytes | None = None) -> dict[str, bytes]:
    """Return the files of an honest export; `head` takes the place of the newest kept checkpoint."""
    newest = history.notes[max(history.notes)] if head is None else head
    return {
        "checkpoint": newest,
        **{f"checkpoints/{size}": note for size, note in history.notes.items()},
        **{f"bodies/{digest}": body for digest, body in history.bodies.items()},
        **tiles_of(history.hashes),
        **bundles_of(history.leaves),
    }


def write_files(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Write the files of an export and return its folder."""
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return directory
