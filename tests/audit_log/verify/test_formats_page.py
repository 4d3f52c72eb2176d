"""The example in docs/api/audit-formats.md is what the page says it is."""

import base64
import json
import re
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from yoyaku.audit_log.verify.formats import COSIGNATURE, LOG_SIGNATURE, Key, leaf_of
from yoyaku.audit_log.verify.proof import check

PAGE = Path(__file__).resolve().parents[3] / "docs/api/audit-formats.md"


def test_the_example_of_the_page_is_proven_by_its_own_proof_file() -> None:
    leaf, leaf_hash, key, note, vkeys, proof = re.findall(r"```(?:text|json)\n(.*?\n)```", PAGE.read_text(), re.DOTALL)
    log, witness = vkeys.split()
    proven = check(proof.encode(), keys=[Key.parse(log, LOG_SIGNATURE)], witnesses=[Key.parse(witness, COSIGNATURE)])
    assert proven.leaf == leaf.rstrip("\n").encode()
    assert proven.checkpoint.cosigned_by
    assert proof.endswith("\n\n" + note)
    assert leaf_of(proven.leaf).hex() == leaf_hash.strip()
    assert f"begins\nwith `{len(proven.leaf):04x}`" in PAGE.read_text()
    sealed = base64.b64decode(proven.entry["client_address"]["sealed"])
    pointer = f"{proven.entry['source']}\n{proven.entry['number']}\n/client_address"
    opened = AESGCM(bytes.fromhex(key)).decrypt(sealed[:12], sealed[12:], pointer.encode())
    assert json.loads(opened) == "192.0.2.11"
