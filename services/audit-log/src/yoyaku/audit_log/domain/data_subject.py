"""Whom an operator means when somebody is to be forgotten: the name of the key that is destroyed (AU-06)."""

import re
from ipaddress import ip_address
from typing import Final

from yoyaku.audit_log.domain.personal import CLIENT, PERSON, ClientDigest, client_reference, is_person

ADDRESS: Final = "address/"
_CLIENT: Final = re.compile(r"client/[0-9a-f]{32}", re.ASCII)


class UnknownSubjectError(ValueError):
    """The text names nobody who could be forgotten; the message says what is expected."""


def key_reference_of(text: str, client_digest: ClientDigest) -> str:
    """Name the key: `person/<id>` and `client/<digest>` as they are, `address/<client address>` by its keyed digest.

    Raises UnknownSubjectError.
    """
    if text.startswith(PERSON) and is_person(text):
        return text
    if text.startswith(ADDRESS) and text != ADDRESS:
        try:
            address = str(ip_address(text.removeprefix(ADDRESS)))
        except ValueError as odd:
            raise UnknownSubjectError(f"{text}: not an address of IPv4 or IPv6") from odd
        return client_reference(client_digest(address))
    if text.startswith(CLIENT) and _CLIENT.fullmatch(text):
        return text
    raise UnknownSubjectError(
        f"{text}: somebody is named as person/<id>, address/<client address>, or client/<digest> as entries name it"
    )
