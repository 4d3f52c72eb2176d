"""The house keeps its shape: what import-linter cannot see is checked here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*ROOT.glob("libs/*/src"), *ROOT.glob("services/*/src")])
VAGUE = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}


def modules() -> list[str]:
    """Name every importable module of every member, except those that run when imported and the migrations."""
    found = []
    for source in SOURCES:
        for file in source.rglob("*.py"):
            parts = file.relative_to(source).with_suffix("").parts
            if parts[-1] != "__main__" and "migrations" not in parts:
                found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return sorted(found)


def test_every_module_imports_with_an_empty_environment_and_connects_to_nothing() -> None:
    """Nothing reads the environment or opens a socket at import: a socket would raise here."""
    program = (
        "import importlib, socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('a socket was opened at import')\n"
        "socket.socket.connect = refuse\n"
        "failed = []\n"
        "for name in sys.argv[1:]:\n"
        "    try: importlib.import_module(name)\n"
        "    except Exception as error: failed.append(f'{name}: {type(error).__name__}: {error}')\n"
        "print('\\n'.join(failed)); sys.exit(bool(failed))\n"
    )
    bare = {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", program, *modules()]
    done = subprocess.run(command, env=bare, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_room_has_a_vague_name() -> None:
    vague = [str(p.relative_to(ROOT)) for s in SOURCES for p in s.rglob("*") if p.stem in VAGUE]
    assert vague == []


def test_the_namespace_has_no_init_of_its_own() -> None:
    assert [str(s) for s in SOURCES if (s / "yoyaku/__init__.py").exists()] == []


@pytest.mark.requirement("DL-05")
@pytest.mark.parametrize("workflow", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda p: p.name)
def test_workflow_actions_are_pinned_by_commit(workflow: Path) -> None:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    used = [step["uses"] for job in jobs for step in job.get("steps", []) if "uses" in step]
    assert used
    assert [u for u in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", u)] == []


def test_the_lock_file_holds_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    entries = [line for line in lock.splitlines() if re.match(r"[a-z0-9]", line)]
    assert [e for e in entries if not re.match(r"[\w.\-\[\]]+==\S+( ;.*)? \\$", e)] == []


def test_links_between_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("services/*/*.md")]
    link = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
    targets = [(page, target) for page in pages for target in link.findall(page.read_text())]
    broken = [
        f"{page.relative_to(ROOT)} -> {target}" for page, target in targets if not (page.parent / target).exists()
    ]
    assert broken == []
