"""Runs one command that cannot outlive whoever started this guard. Standard library only; run by path, with `-I -S`.

The starter holds the other end of the guard's standard input and gives the guard a process group of its own. When that
end closes (the starter ended, kill -9 included, or wants the command gone), the whole group is killed: the command and
everything that it started. When the command ends by itself, what it left behind is ended and its code returned.
"""

import os
import signal
import subprocess
import sys
import threading


def _kill_group_at_end_of_input() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main(command: list[str]) -> int:
    """Run the command; return its exit code, 128 + n when a signal n ended it, 127 when it could not be started."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.stderr.write(f"{os.path.basename(command[0])}: {error.strerror}\n")  # noqa: PTH119 - no import for a name
        return 127
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_kill_group_at_end_of_input, daemon=True).start()
    code = child.wait()
    os.killpg(0, signal.SIGTERM)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
