"""The archive's contract, on a local folder and over S3's protocol."""

import os
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from yoyaku.audit_log.adapters.object_store.archive import ArchiveUrlError, ObjectStoreArchive, open_archive
from yoyaku.audit_log.usecases.archive_ports import ArchiveDamagedError, ArchiveUnavailableError, ObjectMissingError
from yoyaku.testkit.small_s3 import small_s3

ORIGIN = "audit.yoyaku/test/1"
BUNDLE = f"{ORIGIN}/tile/entries/x001/234.p/7"


@pytest.fixture(params=["folder", "s3"])
def archive(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ObjectStoreArchive]:
    if request.param == "folder":
        yield open_archive((tmp_path / "the archive").as_uri())
        return
    with small_s3() as server:
        for name, value in {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "known",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield open_archive("s3://bucket")
        assert server.authorizations == {"AWS4-HMAC-SHA256 Credential=known"}


@pytest.mark.requirement("AU-06")
async def test_an_object_is_written_once_and_read_back(archive: ObjectStoreArchive) -> None:
    await archive.put_once(BUNDLE, b"entries")
    await archive.put_once(BUNDLE, b"entries")
    assert await archive.read(BUNDLE) == b"entries"
    with pytest.raises(ArchiveDamagedError) as refused:
        await archive.put_once(BUNDLE, b"others")
    assert refused.value.name == BUNDLE
    assert (refused.value.expected_sha256, refused.value.found_sha256) == (
        sha256(b"others").digest(),
        sha256(b"entries").digest(),
    )
    assert await archive.read(BUNDLE) == b"entries"


async def test_what_is_not_there_is_missing_and_deleting_it_is_nothing(archive: ObjectStoreArchive) -> None:
    with pytest.raises(ObjectMissingError) as missing:
        await archive.read(BUNDLE)
    assert missing.value.name == BUNDLE
    await archive.delete(BUNDLE)
    await archive.put_once(BUNDLE, b"entries")
    await archive.delete(BUNDLE)
    with pytest.raises(ObjectMissingError):
        await archive.read(BUNDLE)


async def test_names_are_listed_in_order_and_after_a_known_one(archive: ObjectStoreArchive) -> None:
    names = [f"a/checkpoints/000001/{size:020d}" for size in (9, 10, 500)]
    for name in [*reversed(names), "a/checkpoints-of-others/1", "b/1"]:
        await archive.put_once(name, b"x")
    assert [name async for name in archive.names("a/checkpoints/")] == names
    assert [name async for name in archive.names("a/checkpoints/", after=names[0])] == names[1:]
    assert [name async for name in archive.names("nowhere/")] == []


async def test_a_store_that_refuses_is_unavailable_and_its_error_holds_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with small_s3() as server:
        server.refuses = True
        for name, value in {"ENDPOINT_URL": server.url, "ALLOW_HTTP": "true", "ACCESS_KEY_ID": "k"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-word")
        archive = open_archive("s3://bucket")
        with pytest.raises(ArchiveUnavailableError) as refused:
            await archive.put_once("x", b"x")
    assert "a-secret-word" not in str(refused.value)


async def test_a_full_or_forbidden_folder_is_unavailable(tmp_path: Path) -> None:
    archive = open_archive((tmp_path / "a").as_uri())
    (tmp_path / "a" / "x").write_text("a file where a folder is needed")
    with pytest.raises(ArchiveUnavailableError):
        await archive.put_once("x/y", b"x")


async def test_an_object_in_a_folder_and_the_folders_that_name_it_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = open_archive((tmp_path / "a").as_uri())
    synced: list[str] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        synced.append(f"{kind} /{Path(f'/proc/self/fd/{descriptor}').readlink().relative_to(tmp_path)}")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    await archive.put_once("b/c", b"x")
    assert synced == ["file /a/b/c", "folder /a/b", "folder /a"]
    synced.clear()
    # Who wrote it may have crashed before it was synced.
    await archive.put_once("b/c", b"x")
    assert synced == ["file /a/b/c", "folder /a/b", "folder /a"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/folder",
        "http://127.0.0.1/x",
        "memory:///",
        "file:///",
        "file://host/x",
        "file:relative",
        "s3://key:secret@bucket",
        "s3://bucket?aws_secret_access_key=secret",
        "az://container#secret",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ArchiveUrlError) as refused:
        open_archive(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "gs://bucket/prefix", "az://container/prefix"])
def test_each_provider_is_opened_by_its_url(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    assert isinstance(open_archive(url), ObjectStoreArchive)
