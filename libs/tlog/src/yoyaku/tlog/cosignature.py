"""What a witness adds to a checkpoint: a timestamped Ed25519 signature. Source: C2SP tlog-cosignature, cosignature/v1.

It states that, as of its time, this is the largest consistent tree of the log that the witness saw. It is a signature
line of the checkpoint's note like any other, of a key of kind COSIGNATURE_V1, verified by `note.verify` or here.
"""

from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.errors import InvalidSignatureError, MalformedKeyError, MalformedNoteError
from yoyaku.tlog.keys import SIGNATURE_BYTES, TIME_BYTES, Algorithm, SigningKey, VerifierKey, cosigned_message
from yoyaku.tlog.note import Signature
from yoyaku.tlog.strict import LARGEST_SIZE


def cosign(checkpoint_text: str, key: SigningKey, time: int) -> Signature:
    """Cosign the text of a checkpoint; `time` in whole seconds since the Epoch, never 0 (C2SP tlog-witness).

    Raises MalformedCheckpointError for another text, MalformedKeyError for a key of another kind or an impossible time.
    """
    Checkpoint.parse(checkpoint_text)
    if key.algorithm is not Algorithm.COSIGNATURE_V1:
        raise MalformedKeyError(f"the key {key.name} signs notes; it makes no cosignatures")
    if not 0 < time <= LARGEST_SIZE:
        raise MalformedKeyError(f"the time of a cosignature is between 1 and {LARGEST_SIZE}, not {time}")
    value = time.to_bytes(TIME_BYTES, "big") + key.raw_signature(cosigned_message(checkpoint_text, time))
    return Signature(key.name, key.verifier.key_id, value)


def cosigned_at(signature: Signature) -> int:
    """Tell when a cosignature was made, in seconds since the Epoch; to be believed only of a verified one.

    Raises MalformedNoteError when it has not the shape of a cosignature.
    """
    time = int.from_bytes(signature.value[:TIME_BYTES], "big")
    if len(signature.value) != TIME_BYTES + SIGNATURE_BYTES or time > LARGEST_SIZE:
        raise MalformedNoteError(f"the signature of {signature.name} is no cosignature/v1")
    return time


def verify_cosignature(checkpoint_text: str, signature: Signature, key: VerifierKey) -> int:
    """Verify one cosignature and tell its time, in seconds since the Epoch.

    Raises InvalidSignatureError when it is not this key's over this text, MalformedKeyError for a key of another kind.
    """
    if key.algorithm is not Algorithm.COSIGNATURE_V1:
        raise MalformedKeyError(f"the key {key.name} makes no cosignatures")
    mine = (signature.name, signature.key_id) == (key.name, key.key_id)
    if not mine or not key.verifies(checkpoint_text, signature.value):
        raise InvalidSignatureError(
            f"the cosignature of {signature.name} is not one of {key.name} over this checkpoint"
        )
    return cosigned_at(signature)
