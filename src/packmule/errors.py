"""One exception tree. Every message is a sentence for a person: what, where, why, what to type next.

    PackmuleError
    ├── UsageError            the command or the call is wrong            exit 2
    │   ├── SourceError       the input data cannot be read as asked      exit 2
    │   ├── OutputError       a file cannot be written where asked        exit 2
    │   │   └── OutputFull    there is no room for it                     exit 75
    │   └── ConsentNeeded     money would be spent and nobody agreed      exit 2
    ├── PreflightError        nothing was spent and nothing can start     exit 6
    │   ├── KeyMissing        a named model has no key
    │   ├── ModelUnknown      a model name resolves to no provider
    │   ├── PriceUnknown      a model has no price and is not free
    │   └── StoreError        the store cannot be opened, or is newer
    │       └── LeaseHeld     another live runner holds the batch
    ├── BatchManagerError     a BatchManager cannot do what was asked; a ValueError too
    │   ├── StateFileError    its state file is in use, or of another batch
    │   │   └── InvalidStateError       that file is damaged
    │   ├── CostLimitExceededError      max_cost is below what is spent or may be owed
    │   └── JobProcessingError          the run ended before its time: key, outage, disk
    ├── LeaseLost             our epoch is over: another runner took the batch     exit 75
    ├── StoreFull             the disk is full or failing; nothing more is sent    exit 75
    └── CallFailed            a call ended failed or rejected; a recipe may catch it
        └── CallRejected      the answer never passed its check

Foreign errors are translated where they enter: sqlite in `store`, HTTP in `providers`.
"""

from __future__ import annotations

import re

_KEYS = re.compile(
    r"(?i:\bbearer\s+)[-+./~\w]{16,}|(?<!\w)(?:sk|gsk|csk|xai|tgp)[-_](?=[-\w]*\d)[-\w]{12,}|(?<!\w)AIza[-\w]{10,}"
)
"""Narrow: a row called pk-1 and a file called sk-report.csv must still be named."""


def masked(text: str) -> str:
    """The text, with what looks like a provider's key as ***: it was pasted where another word belongs."""
    return _KEYS.sub("***", text)


class PackmuleError(Exception):
    """Root of every error packmule raises on purpose.

    `hint` is what to do next, one sentence or command; `exit_code` is what the command line returns. What looks like a
    key is masked in both.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message, self.hint = masked(message), masked(hint)
        super().__init__(self.message)


class UsageError(PackmuleError):
    """The command or call is wrong; nothing was done."""

    exit_code = 2


class SourceError(UsageError):
    """The input cannot be read as asked; names file, line and column where they are known."""


class OutputError(UsageError):
    """A file of results cannot be written where asked; the old file, if there was one, is as it was."""


class OutputFull(OutputError):
    """There is no room for a file of results; the answers are in the store."""

    exit_code = 75


class ConsentNeeded(UsageError):
    """Money would be spent, and neither a cap nor --yes nor a person agreed to it."""


class PreflightError(PackmuleError):
    """A check before the first call failed; nothing was spent."""

    exit_code = 6


class KeyMissing(PreflightError):
    """A named model has no key in the environment."""


class ModelUnknown(PreflightError):
    """A model name resolves to no provider."""


class PriceUnknown(PreflightError):
    """A model has no known price; unknown is never zero."""


class StoreError(PreflightError):
    """The store cannot be opened, read or written as it is."""


class LeaseHeld(StoreError):
    """Another live runner holds this batch."""


class BatchManagerError(PackmuleError, ValueError):
    """Wrong arguments of a BatchManager, or it cannot go on; nothing is lost."""

    exit_code = 2


class StateFileError(BatchManagerError):
    """The state file is in use by another manager, unreadable, or of another batch."""


class InvalidStateError(StateFileError):
    """The state file is damaged; the message names it."""


class CostLimitExceededError(BatchManagerError):
    """max_cost is below what the batch has spent or may owe already."""

    exit_code = 4


class JobProcessingError(BatchManagerError):
    """The run ended before its time, for a reason that concerns every job; the state is saved."""

    exit_code = 75


class LeaseLost(PackmuleError):
    """Our epoch is over: another runner took the batch, and nothing of ours is written any more."""

    exit_code = 75


class StoreFull(PackmuleError):
    """A commit failed for want of space or by an I/O error; nothing more is sent."""

    exit_code = 75


class CallFailed(PackmuleError):
    """A call ended without an accepted answer. Journaled: a replay raises the same error.

    `kind` is the fault's kind (`timeout`, `server_error`, `invalid_request` ...), `held`, or why the answer was refused
    (`schema`, `check`, `check_error`, `length`, `refusal`, `content_filter`, `empty`).
    """

    def __init__(self, message: str, *, kind: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


class CallRejected(CallFailed):
    """Every answer was refused by its check; the message is the last reason."""
