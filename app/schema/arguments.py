"""Checks of arguments; each message says what to pass instead."""

from collections.abc import Sequence
from dataclasses import dataclass

from solders.pubkey import Pubkey

from app.errors import InvalidInput, PageTooLarge

MAX_PAGE = 200
DEFAULT_PAGE = 50
_MAX_ADDRESS_CHARACTERS = 44


def check_address(address: str, argument: str) -> str:
    """The address itself. Raises InvalidInput unless it is base58 of 32 bytes."""
    try:
        if len(address) > _MAX_ADDRESS_CHARACTERS:
            raise ValueError
        Pubkey.from_string(address)
    except ValueError as error:
        raise InvalidInput(
            f"`{argument}` must be a Solana address: base58 of 32 bytes, so 32 to 44 characters. Is one missing?"
        ) from error
    return address


def check_limit(limit: int | None, argument: str, default: int, largest: int) -> int:
    """A limit that is not paged."""
    if limit is None or not isinstance(limit, int):
        return default
    if not 1 <= limit <= largest:
        raise InvalidInput(f"`{argument}` must be 1 to {largest}.")
    return limit


@dataclass(frozen=True, slots=True)
class PageArguments:
    """The four arguments of a connection, checked."""

    size: int
    after: str | None
    before: str | None
    from_end: bool


def check_page(
    first: int | None, after: str | None, last: int | None = None, before: str | None = None
) -> PageArguments:
    """Raises InvalidInput or PageTooLarge; a page holds 50 unless told, 200 at most."""
    if isinstance(first, int) and isinstance(last, int):
        raise InvalidInput("Pass `first` or `last`, not both.")
    name, size = ("last", last) if isinstance(last, int) else ("first", first)
    size = size if isinstance(size, int) else DEFAULT_PAGE
    if size < 0:
        raise InvalidInput(f"`{name}` must not be negative.")
    if size > MAX_PAGE:
        raise PageTooLarge(f"`{name}` is {size}; a page holds at most {MAX_PAGE}. Ask for the rest with a cursor.")
    return PageArguments(size, after or None, before or None, name == "last")


def check_count(values: Sequence[str], argument: str, largest: int) -> None:
    """Raises PageTooLarge for a list of more than `largest` keys."""
    if len(values) > largest:
        raise PageTooLarge(f"`{argument}` has {len(values)} members; at most {largest} are taken. Ask several times.")
