"""Which media type answers a request: Accept with q-values, by the GraphQL-over-HTTP specification."""

from typing import Final

GRAPHQL: Final = "application/graphql-response+json"
JSON: Final = "application/json"
HTML: Final = "text/html"


def choose(accept: str | None, offers: tuple[str, ...]) -> str | None:
    """The offer that the client likes best, the first on a tie; None when it accepts none of them.

    RFC 9110: the most specific range that matches an offer gives its quality; q=0 excludes.
    """
    if accept is None or not accept.strip():
        return offers[0]
    ranges = [_parse(each) for each in accept.split(",")[:50]]
    qualities = [(_quality(offer, ranges), -index, offer) for index, offer in enumerate(offers)]
    best = max(qualities)
    return best[2] if best[0] > 0 else None


def is_json(content_type: str | None) -> bool:
    """Whether a body says that it is JSON in UTF-8."""
    kind, _, parameters = (content_type or "").partition(";")
    charsets = [p.partition("=")[2].strip(' "').lower() for p in parameters.split(";") if "charset" in p.lower()]
    return kind.strip().lower() == JSON and all(charset in ("utf-8", "utf8") for charset in charsets)


def _parse(accepted: str) -> tuple[str, float]:
    media, *parameters = (part.strip() for part in accepted.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            quality = _number(value)
        elif name.strip().lower() == "charset" and value.strip(' "').lower() not in ("utf-8", "utf8"):
            quality = 0.0
    return media.lower(), quality


def _number(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _quality(offer: str, ranges: list[tuple[str, float]]) -> float:
    kind = offer.partition("/")[0]
    for specificity in (offer, f"{kind}/*", "*/*"):
        for media, quality in ranges:
            if media == specificity:
                return quality
    return 0.0
