"""How a person has to type `yoyaku` here, so that a hint can be copied as it is."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

PROGRAM: Final = "yoyaku"


def as_typed() -> str:
    """Return `yoyaku` when it is on PATH, else the path of the program beside our interpreter, the shorter way."""
    if shutil.which(PROGRAM) is not None:
        return PROGRAM
    program = Path(sys.executable).parent / PROGRAM
    if not program.exists():
        return PROGRAM
    relative = os.path.relpath(program)
    return str(program) if relative.startswith("..") else relative
