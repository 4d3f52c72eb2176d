"""Verifies an exported audit log offline: `python -m verify DIR --key VKEY`, or `check FILE --key VKEY`.

Stands alone on purpose: this folder, the standard library and `cryptography`, so that a stranger can copy it, read
it and believe it. It shares nothing with the code that writes the log (`yoyaku.tlog`): an error in one shows in the
other.
Formats: docs/api/audit-formats.md. What can be seen and what cannot: docs/architecture/audit-verification.md.
"""
