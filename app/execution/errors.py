"""How errors leave: each with a code of the closed list, and nothing of ours but what was meant for the client."""

import logging
from typing import Any, Final

from graphql import GraphQLError, GraphQLSyntaxError

from app.errors import CurvecastError
from app.store.engine import is_lost

log = logging.getLogger(__name__)

PARSE_FAILED: Final = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED: Final = "GRAPHQL_VALIDATION_FAILED"
BAD_USER_INPUT: Final = "BAD_USER_INPUT"


def format_error(error: GraphQLError, code: str = BAD_USER_INPUT) -> dict[str, Any]:
    """The error as the response shows it; `code` is for errors of graphql-core itself, which carry none."""
    cause = error.original_error
    if isinstance(error, GraphQLSyntaxError):
        return _with_code(error, PARSE_FAILED)
    if isinstance(cause, CurvecastError):
        return dict(error.formatted, extensions=cause.extensions)
    if cause is None or isinstance(cause, GraphQLError):
        return _with_code(error, code)
    if code == VALIDATION_FAILED:
        # What a literal did to a parser, as an integer of 5,000 digits: the client's mistake, not ours.
        return dict(_with_code(error, code), message="A value in the document cannot be read: it is out of range.")
    return _masked(error, cause)


def format_exception(error: Exception) -> dict[str, Any]:
    """An exception that reached the transport outside any field."""
    if isinstance(error, GraphQLError):
        return format_error(error)
    return format_error(GraphQLError(str(error), original_error=error))


def _with_code(error: GraphQLError, code: str) -> dict[str, Any]:
    return dict(error.formatted, extensions={"code": code})


def _masked(error: GraphQLError, cause: Exception) -> dict[str, Any]:
    if is_lost(cause):
        log.warning("a read failed", extra={"cause": repr(cause)})
        shown, code = "The store cannot be read now. Try again in a moment.", "SERVICE_UNAVAILABLE"
    else:
        log.error("internal error", exc_info=cause)
        shown, code = "Internal error.", "INTERNAL_SERVER_ERROR"
    return dict(error.formatted, message=shown, extensions={"code": code})
