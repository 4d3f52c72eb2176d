"""The kinds of value that event bodies share: ids, moments, addresses, digests.

Invariant: each has one text form, so that equal facts have equal bytes.
"""

import ipaddress
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from yoyaku.contracts.personal import Personal


def _text_of(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("in UTC this moment is not within the years 1 to 9999") from error


def canonical_address(text: str) -> str:
    """Give an address its one text form: IPv6 compressed in lower case, an IPv4 address mapped into IPv6 as IPv4.

    Text that is no address is returned as it is.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


Identifier = Annotated[str, BeforeValidator(_text_of), Field(min_length=1, max_length=128)]
"""An opaque id as text; a UUID is taken and written in its usual form."""

Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment in UTC; another zone is converted; a naive time, or one outside the years 1 to 9999, is refused."""

ClientAddress = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(canonical_address), Personal()]
"""The network address of a client in canonical form."""

Sha256Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest as 64 lower-case hex digits."""

ShortText = Annotated[str, Field(min_length=1, max_length=500)]
"""A text written by a program, never by a person."""

Code = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[a-z0-9][a-z0-9._-]*$")]
"""A machine's name for something: lower case, stable."""

Actor = Annotated[str, Field(min_length=1, max_length=200)]
"""Who acted: `person/<id>`, `anonymous`, `service/<name>` or `operator`."""
