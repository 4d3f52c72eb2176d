"""What can be wrong with something a log, a witness or a stranger hands over.

TlogError
├── ProofError                  a proof does not show what it should
├── MalformedError              bytes or text that are not what their format asks for
│   ├── MalformedNoteError      signed note or signature line
│   ├── MalformedKeyError       verifier key or private key
│   ├── MalformedCheckpointError
│   ├── MalformedTileError      tile, entry bundle, or the path of one
│   ├── MalformedRequestError   body of add-checkpoint, or an answer to it
│   └── MalformedProofError     proof file
├── InvalidSignatureError       a known key's signature does not verify
└── UnverifiedNoteError         no signature of a known key

Each message says what is wrong and where (which line, which tile), and never holds more than a short piece of it.
"""

from typing import Final

_SHOWN: Final = 60


class TlogError(ValueError):
    """Something of a transparency log is not as it should be."""


class ProofError(TlogError):
    """A proof does not show what it should show."""


class MalformedError(TlogError):
    """Bytes or text are not in the format they should have."""


class MalformedNoteError(MalformedError):
    """A signed note, or one of its signature lines, is malformed."""


class MalformedKeyError(MalformedError):
    """A verifier key or private key is malformed."""


class MalformedCheckpointError(MalformedError):
    """The text of a checkpoint is malformed."""


class MalformedTileError(MalformedError):
    """A tile, an entry bundle or the path of one is malformed."""


class MalformedRequestError(MalformedError):
    """The body of a request to a witness, or of its answer, is malformed."""


class MalformedProofError(MalformedError):
    """A proof file is malformed."""


class InvalidSignatureError(TlogError):
    """The signature of a known key does not verify."""


class UnverifiedNoteError(TlogError):
    """A note carries no signature of a known key."""


def shown(value: str | bytes) -> str:
    """Quote a piece of foreign input for a message: escaped, and cut after 60 characters."""
    text = repr(value[: _SHOWN + 1])
    return text if len(value) <= _SHOWN else f"{text[:_SHOWN]}... ({len(value)} in all)"
