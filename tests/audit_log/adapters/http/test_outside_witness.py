"""A witness of somebody else: whatever stands at its address, the worst is that it is away."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from yoyaku.audit_log.adapters.http import outside_witness
from yoyaku.audit_log.adapters.http.outside_witness import OutsideWitness, outside_client
from yoyaku.audit_log.usecases.witness_ports import WitnessAnswer, WitnessAwayError
from yoyaku.tlog.keys import Algorithm, SigningKey

pytestmark = pytest.mark.requirement("AU-02", "GW-08")

KEY = SigningKey("witness.example/w1", b"\x04" * 32, Algorithm.COSIGNATURE_V1).verifier
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer every request on a port of its own with these bytes; yields the address and the requests."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        seen.append(head + await reader.readexactly(length))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/witness/", seen


def response(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def ask(url: str) -> WitnessAnswer:
    async with outside_client() as client:
        return await OutsideWitness(client, url, KEY).add_checkpoint(b"old 0\n\nbody")


async def test_the_request_is_posted_and_the_answer_given_as_it_is() -> None:
    async with serving(response("409 Conflict", b"7\n", "Content-Type: text/x.tlog.size")) as (url, seen):
        assert await ask(url) == WitnessAnswer(409, "text/x.tlog.size", b"7\n")
    (request,) = seen
    assert request.startswith(b"POST /witness/add-checkpoint HTTP/1.1\r\n")
    assert request.endswith(b"\r\n\r\nold 0\n\nbody")


async def test_no_redirect_is_followed() -> None:
    async with serving(response("200 OK")) as (elsewhere, reached):
        async with serving(response("307 Temporary Redirect", b"", f"Location: {elsewhere}")) as (url, _):
            assert (await ask(url)).status == 307
        assert not reached


@pytest.mark.parametrize("answer", [b"", b"hello\r\n\r\n", response("200 OK", b"x" * (64 * 1024 + 1))])
async def test_what_is_no_answer_or_too_long_is_no_answer(answer: bytes) -> None:
    async with serving(answer) as (url, _):
        with pytest.raises(WitnessAwayError, match="http://127"):
            await ask(url)


async def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WitnessAwayError):
        await ask("http://127.0.0.1:1")
    monkeypatch.setattr(outside_witness, "TIMEOUT_SECONDS", 0.05)
    server = await asyncio.start_server(lambda _, __: asyncio.sleep(1), "127.0.0.1", 0)
    async with server:
        with pytest.raises(WitnessAwayError, match="TimeoutError"):
            await ask(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def test_a_certificate_of_nobody_known_is_refused(tmp_path: Path) -> None:
    async with serving(response("200 OK"), self_signed(tmp_path)) as (url, seen):
        with pytest.raises(WitnessAwayError, match="CERTIFICATE_VERIFY_FAILED"):
            await ask(url)
    assert not seen


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "witness")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
