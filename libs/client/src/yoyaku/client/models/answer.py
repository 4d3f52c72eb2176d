"""What all answers share."""

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Something the gateway said."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Versioned(Answer):
    """Something that is changed under a version, by `If-Match`."""

    version: int = 1

    @property
    def etag(self) -> str:
        """The entity tag of the version that was read."""
        return f'"{self.version}"'
