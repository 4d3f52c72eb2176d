"""The formats and the mathematics of a transparency log: pure functions and values, no I/O, no clock.

`merkle` is the RFC 6962 tree and its proofs, `tiles` how a tree is cut into files and proofs are read from them,
`keys` and `note` sign and verify text, `checkpoint` is the text that a log signs, `cosignature` what a witness adds,
`witness` the bodies that log and witness exchange, `proof` a proof in one file. All follow the documents of C2SP
(https://c2sp.org) to the byte, so that software nobody here wrote can check them. Imports the standard library and
`cryptography`, nothing else.
"""
