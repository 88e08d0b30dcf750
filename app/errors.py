"""Every error of ours, in one tree; each carries the code that the GraphQL edge shows.

CurvecastError                 INTERNAL_SERVER_ERROR
  InvalidInput                 BAD_USER_INPUT
    CursorInvalid              CURSOR_INVALID
    CursorExpired              CURSOR_EXPIRED
  NotIndexed                   NOT_INDEXED
  LimitExceeded                (abstract: the code says which limit)
    PageTooLarge               MAX_PAGE_SIZE
    CostExceeded               COST_EXCEEDED
    SubscriptionLimit          SUBSCRIPTION_LIMIT
  Lagged                       LAGGED
  Unavailable                  SERVICE_UNAVAILABLE (may be retried)
    SourceLost                 the indexer reconnects
  DecodeError                  counted and kept as a dead letter, never fatal
  StartupError                 one line on the terminal, exit code not 0
  ForkTooDeep                  the same while running: what was final has changed
"""

from typing import ClassVar


class CurvecastError(Exception):
    """Base of all; `extensions` is what graphql-core copies into the response."""

    code: ClassVar[str] = "INTERNAL_SERVER_ERROR"

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code}


class InvalidInput(CurvecastError):
    """An argument is wrong; the message says what to do instead."""

    code = "BAD_USER_INPUT"


class CursorInvalid(InvalidInput):
    """A cursor that this store never gave out."""

    code = "CURSOR_INVALID"


class CursorExpired(InvalidInput):
    """A cursor older than what is kept; `cursor` is the oldest that can be resumed after."""

    code = "CURSOR_EXPIRED"

    def __init__(self, message: str, cursor: str) -> None:
        super().__init__(message)
        self.cursor = cursor

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code, "cursor": self.cursor}


class NotIndexed(CurvecastError):
    """Well-formed, but nothing of it is stored (yet)."""

    code = "NOT_INDEXED"


class LimitExceeded(CurvecastError):
    """A limit of the server; the message names it and its value."""


class PageTooLarge(LimitExceeded):
    code = "MAX_PAGE_SIZE"


class CostExceeded(LimitExceeded):
    code = "COST_EXCEEDED"


class SubscriptionLimit(LimitExceeded):
    code = "SUBSCRIPTION_LIMIT"


class Lagged(CurvecastError):
    """A consumer that fell behind; `cursor` is where to resume."""

    code = "LAGGED"

    def __init__(self, message: str, cursor: str | None = None) -> None:
        super().__init__(message)
        self.cursor = cursor

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code, "cursor": self.cursor}


class Unavailable(CurvecastError):
    """Not now; trying again is right."""

    code = "SERVICE_UNAVAILABLE"


class SourceLost(Unavailable):
    """A source ended without being asked to."""


class DecodeError(CurvecastError):
    """Bytes that a known program emitted and we could not read.

    `cause` is a short stable text; program (base58), signature and slot say where.
    """

    def __init__(
        self, cause: str, *, program: str | None = None, signature: str | None = None, slot: int | None = None
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.program = program
        self.signature = signature
        self.slot = slot


class StartupError(CurvecastError):
    """The process cannot start; its message is the one line that the user sees."""


class ForkTooDeep(CurvecastError):
    """The chain differs from what was stored as final: no retry helps, somebody has to look. Nothing was deleted."""
