"""Which media type answers a request: Accept with q-values and order, by the GraphQL-over-HTTP specification."""

from typing import Final, NamedTuple

GRAPHQL: Final = "application/graphql-response+json"
JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
MULTIPART: Final = "multipart/mixed;subscriptionspec=1.0"
"""A client that lists multipart/mixed without this parameter means another protocol."""
HTML: Final = "text/html"


class _Range(NamedTuple):
    """One range of an Accept header."""

    media: str
    quality: float


def choose(accept: str | None, offers: tuple[str, ...], *, by_name: bool = False) -> str | None:
    """The offer that the client likes best; None when it accepts none of them.

    RFC 9110: the most specific range that matches an offer gives its quality; q=0 excludes. Of equal ones the one that
    the client lists first is taken, then the first offer. `by_name` leaves out what only a wildcard accepts.
    """
    if accept is None or not accept.strip():
        return None if by_name else offers[0]
    ranges = [_parse(each) for each in accept.split(",")[:50]]
    best: tuple[float, int, str] | None = None
    for offer in offers:
        found = _match(offer, ranges, by_name=by_name)
        # `max` would compare offers by name where all else is equal.
        if found is not None and (best is None or found > best[:2]):
            best = (*found, offer)
    return best[2] if best is not None else None


def is_json(content_type: str | None) -> bool:
    """Whether a body says that it is JSON in UTF-8."""
    kind, _, parameters = (content_type or "").partition(";")
    charsets = [p.partition("=")[2].strip(' "').lower() for p in parameters.split(";") if "charset" in p.lower()]
    return kind.strip().lower() == JSON and all(charset in ("utf-8", "utf8") for charset in charsets)


def _parse(accepted: str) -> _Range:
    media, *parameters = (part.strip() for part in accepted.lower().split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = (part.strip(' "') for part in parameter.partition("="))
        if name == "q":
            quality = _number(value)
        elif name == "charset" and value not in ("utf-8", "utf8"):
            quality = 0.0
        elif name == "subscriptionspec":
            media = f"{media};{name}={value}"
    return _Range(media, quality)


def _number(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _match(offer: str, ranges: list[_Range], *, by_name: bool) -> tuple[float, int] | None:
    """Quality and place of the range that decides about an offer, both larger for the better; None: not accepted."""
    kind = offer.partition("/")[0]
    for specificity in (offer,) if by_name else (offer, f"{kind}/*", "*/*"):
        for index, each in enumerate(ranges):
            if each.media == specificity:
                return (each.quality, -index) if each.quality > 0 else None
    return None
