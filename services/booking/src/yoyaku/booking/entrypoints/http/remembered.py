"""Answers that were given before, to be given again while their mark is the same.

Invariant: an answer is a function of its key and mark alone, so one that is found is as good as one made anew. The
memory is bounded by bytes; what was used longest ago is forgotten first.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.entrypoints.http.preconditions import is_known
from yoyaku.booking.entrypoints.http.replies import JSON

LIMIT_BYTES: Final = 4 * 1024 * 1024
"""Of a worker, content alone."""
LARGEST_BYTES: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer with its entity tag."""

    mark: str
    content: bytes
    tag: str
    headers: Mapping[str, str]

    def reply(self, request: Request) -> Response:
        """Return it, or 304 when the caller has it (RFC 9110, 8.8)."""
        headers = {**self.headers, "ETag": f"W/{self.tag}"}
        if is_known(request, self.tag):
            return Response(None, 304, headers)
        return Response(self.content, 200, headers, media_type=JSON)


def answer_of(mark: str, content: bytes, headers: Mapping[str, str]) -> Answer:
    """Return an answer under a weak entity tag of its bytes."""
    return Answer(mark, content, f'"{blake2b(content, digest_size=16).hexdigest()}"', headers)


class RememberedAnswers:
    """The newest answer for each key."""

    def __init__(self, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self._bytes = 0

    def find(self, key: Hashable, mark: str) -> Answer | None:
        """Return the answer of that mark, if it is remembered."""
        found = self._answers.get(key)
        if found is None or found.mark != mark:
            return None
        self._answers.move_to_end(key)
        return found

    def keep(self, key: Hashable, answer: Answer) -> None:
        """Remember it instead of what was there, unless it is large."""
        self._forget(key)
        if len(answer.content) > LARGEST_BYTES:
            return
        self._answers[key] = answer
        self._bytes += _size(answer)
        while self._bytes > self._limit:
            self._forget(next(iter(self._answers)))

    def _forget(self, key: Hashable) -> None:
        gone = self._answers.pop(key, None)
        if gone is not None:
            self._bytes -= _size(gone)


def _size(answer: Answer) -> int:
    return len(answer.content) + len(answer.mark)


def remembered_of(request: Request) -> RememberedAnswers:
    """Return the memory of this worker's application."""
    remembered: RememberedAnswers = request.app.state.remembered
    return remembered
