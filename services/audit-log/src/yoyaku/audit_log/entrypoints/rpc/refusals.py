"""What goes wrong with a question, as codes for the asker.

`not_found`    there is no such entry, checkpoint or file
`invalid_request`   the numbers fit no tree
`unrecorded`   who reads could not be recorded, so nothing is shown: try again
`unavailable`  the database or the archive is away, or a key file cannot be read: try again
`damaged`      what an answer is made of is missing from the database, or damaged in the archive
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from yoyaku.audit_log.domain.files import NoSuchFileError
from yoyaku.audit_log.usecases.archive_ports import ArchiveDamagedError, ArchiveUnavailableError
from yoyaku.audit_log.usecases.inspect_log import KeysUnknownError
from yoyaku.audit_log.usecases.reader_ports import NotFoundError, ReadNotRecordedError
from yoyaku.audit_log.usecases.trees import IncompleteTreeError
from yoyaku.messaging.rpc import INVALID_REQUEST, RpcFailedError
from yoyaku.postgres.errors import PostgresError
from yoyaku.tlog.errors import ProofError

NOT_FOUND: Final = "not_found"
UNRECORDED: Final = "unrecorded"
UNAVAILABLE: Final = "unavailable"
DAMAGED: Final = "damaged"


@contextmanager
def refusals() -> Iterator[None]:
    """Turn the errors of the use cases into answers."""
    try:
        yield
    except (NotFoundError, NoSuchFileError) as error:
        raise RpcFailedError(NOT_FOUND, str(error)) from error
    except ProofError as error:
        raise RpcFailedError(INVALID_REQUEST, str(error)) from error
    except ReadNotRecordedError as error:
        raise RpcFailedError(UNRECORDED, "who reads could not be recorded, so nothing is shown") from error
    except (IncompleteTreeError, ArchiveDamagedError) as error:
        raise RpcFailedError(DAMAGED, str(error)) from error
    except KeysUnknownError as error:
        raise RpcFailedError(UNAVAILABLE, str(error)) from error
    except ArchiveUnavailableError as error:
        raise RpcFailedError(UNAVAILABLE, "the archive of sealed months does not answer") from error
    except PostgresError as error:
        raise RpcFailedError(UNAVAILABLE, "the database of the audit log does not answer") from error
