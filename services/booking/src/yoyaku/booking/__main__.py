"""Runs the booking service: `python -m yoyaku.booking gateway|worker|migrate|create-admin|openapi`."""

from yoyaku.booking.entrypoints.cli import app

if __name__ == "__main__":
    app(prog_name="python -m yoyaku.booking")
