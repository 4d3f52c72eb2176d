"""A witness of somebody else, asked over HTTPS. Source: C2SP tlog-witness.

Invariant: what it sends is bounded in size and time, and no redirect is followed; whatever it answers, the worst is an
answer that is not believed.
"""

import asyncio
from typing import Final

import httpx

from yoyaku.audit_log.usecases.witness_ports import WitnessAnswer, WitnessAwayError
from yoyaku.tlog.keys import VerifierKey

TIMEOUT_SECONDS: Final = 10.0
"""Of one request from beginning to end."""
LARGEST_ANSWER_BYTES: Final = 64 * 1024


class OutsideWitness:
    """One witness at an address: `<url>/add-checkpoint`."""

    def __init__(self, client: httpx.AsyncClient, url: str, key: VerifierKey) -> None:
        self._client = client
        self._address = f"{url.rstrip('/')}/add-checkpoint"
        self.keys = (key,)
        self.name = key.name

    async def add_checkpoint(self, body: bytes) -> WitnessAnswer:
        """Ask for a cosignature. Raises WitnessAwayError."""
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                self._client.stream("POST", self._address, content=body, follow_redirects=False) as answer,
            ):
                content_type = answer.headers.get("content-type", "")
                return WitnessAnswer(answer.status_code, content_type, await _bounded(answer))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            raise WitnessAwayError(f"{self._address}: {str(error) or type(error).__name__}") from error


async def _bounded(answer: httpx.Response) -> bytes:
    body = b""
    async for part in answer.aiter_raw():
        body += part
        if len(body) > LARGEST_ANSWER_BYTES:
            raise WitnessAwayError(f"{answer.url}: its answer is longer than {LARGEST_ANSWER_BYTES} bytes")
    return body


def outside_client() -> httpx.AsyncClient:
    """Make the client for all outside witnesses: certificates are verified, no proxy of the environment is used."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=5.0),
        trust_env=False,
        headers={"User-Agent": "yoyaku-audit-log", "Accept-Encoding": "identity"},
    )
