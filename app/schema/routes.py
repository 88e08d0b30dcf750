"""What of a filter on trades the router can look up: keys that every selected trade has one of, and a least measure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Final

from strawberry import UNSET

from app.live.keys import CREATOR, PROTOCOL, QUOTE_AMOUNT, SIDE, TRADER, VOLUME_USD
from app.live.routing import MINT, Key
from app.schema.inputs import FloatFilter, StringFilter, TokenFilter, TradeFilter
from app.schema.terms import addresses

_SELECTIVE: Final = {MINT: 0, TRADER: 1, CREATOR: 2, PROTOCOL: 3, SIDE: 4}
"""Parts of a trade, from those that the fewest trades share."""
AtLeast = tuple[str, Decimal]


@dataclass(frozen=True, slots=True)
class Route:
    """Meanings as in `app.live.routing.Condition`."""

    keys: frozenset[Key] | None
    at_least: AtLeast | None
    is_whole: bool
    """Whether they say all that the filter says."""


def trade_route(chosen: TradeFilter) -> Route:
    """The narrowest that is found; a filter that is checked already."""
    return Route(_keys(chosen), _at_least(chosen), _is_whole(chosen))


def _keys(chosen: TradeFilter) -> frozenset[Key] | None:
    found = [
        _texts(chosen.mint_address, MINT),
        _texts(chosen.trader_address, TRADER),
        _texts(chosen.creator_address, CREATOR),
        _named(PROTOCOL, [each.name for each in chosen.protocol]) if isinstance(chosen.protocol, list) else None,
        _named(SIDE, [chosen.side.name]) if chosen.side else None,
        token_keys(chosen.token) if chosen.token else None,
        *(_keys(branch) for branch in chosen.and_ or ()),
        _of_any([_keys(branch) for branch in chosen.or_]) if isinstance(chosen.or_, list) else None,
    ]
    return min((keys for keys in found if keys is not None), key=_cost, default=None)


def token_keys(chosen: TokenFilter) -> frozenset[Key] | None:
    """Mints or creators of which every selected token has one; None where the filter names none."""
    found = [
        _texts(chosen.mint_address, MINT),
        _texts(chosen.creator_address, CREATOR),
        *(token_keys(branch) for branch in chosen.and_ or ()),
        _of_any([token_keys(branch) for branch in chosen.or_]) if isinstance(chosen.or_, list) else None,
    ]
    return min((keys for keys in found if keys is not None), key=_cost, default=None)


def _cost(keys: Iterable[Key]) -> tuple[int, int]:
    known = list(keys)
    return max((_SELECTIVE[name] for name, _ in known), default=-1), len(known)


def _of_any(branches: Sequence[frozenset[Key] | None]) -> frozenset[Key] | None:
    return frozenset(key for keys in branches for key in keys or ()) if None not in branches else None


def _texts(chosen: StringFilter | None, name: str) -> frozenset[Key] | None:
    asked = addresses(chosen, name)
    if asked is None:
        return None
    if asked.equals is not None:
        return _named(name, [asked.equals])
    return None if asked.included is None else _named(name, asked.included)


def _named(name: str, values: Iterable[str]) -> frozenset[Key]:
    return frozenset((name, value) for value in values)


def _at_least(chosen: TradeFilter) -> AtLeast | None:
    found = [_least(chosen.volume_usd, VOLUME_USD), _least(chosen.quote_amount, QUOTE_AMOUNT)]
    found += [_at_least(branch) for branch in chosen.and_ or ()]
    if isinstance(chosen.or_, list):
        found.append(_lowest([_at_least(branch) for branch in chosen.or_]))
    return next((each for each in found if each is not None), None)


def _lowest(branches: Sequence[AtLeast | None]) -> AtLeast | None:
    """What every branch asks for at least, where all of them measure the same."""
    known = [each for each in branches if each is not None]
    return min(known) if known and len(known) == len(branches) and len({name for name, _ in known}) == 1 else None


def _least(chosen: FloatFilter | None, name: str) -> AtLeast | None:
    bounds = [value for value in (chosen.gte, chosen.gt, chosen.eq) if isinstance(value, int | float)] if chosen else []
    return (name, max(Decimal(repr(float(value))) for value in bounds)) if bounds else None


def _is_whole(chosen: TradeFilter) -> bool:
    """One text that is looked up as a key, one number with nothing but a least value, or both."""
    asked = {each.name for each in fields(chosen) if getattr(chosen, each.name) not in (None, UNSET)}
    texts = asked & {"mint_address", "trader_address", "creator_address"}
    numbers = asked & {"volume_usd", "quote_amount"}
    return (
        asked == texts | numbers
        and len(texts) <= 1
        and len(numbers) <= 1
        and all(_only(getattr(chosen, name), ("eq", "in_")) for name in texts)
        and all(_only(getattr(chosen, name), ("gte",)) for name in numbers)
    )


def _only(part: StringFilter | FloatFilter, allowed: Sequence[str]) -> bool:
    """Whether exactly one comparison is made, and one of these."""
    made = [each.name for each in fields(part) if isinstance(getattr(part, each.name), str | int | float | list)]
    return len(made) == 1 and made[0] in allowed
