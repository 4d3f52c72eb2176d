"""The typed, asynchronous client of the gateway, and the commands for people that are built on it."""

from yoyaku.client.client import Client
from yoyaku.client.errors import ProblemError, TransportError, YoyakuError
from yoyaku.client.sessions import Session

__all__ = ["Client", "ProblemError", "Session", "TransportError", "YoyakuError"]
