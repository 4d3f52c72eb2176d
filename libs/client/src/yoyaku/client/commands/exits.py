"""How the commands end."""

from typing import Final

USAGE: Final = 2
REFUSED: Final = 3
NOT_SIGNED_IN: Final = 4
UNAVAILABLE: Final = 5


class UsageError(Exception):
    """What was typed cannot be meant; `text` and `facts` name the sentence that says so."""

    def __init__(self, text: str, /, **facts: object) -> None:
        super().__init__(text)
        self.text = text
        self.facts = facts
