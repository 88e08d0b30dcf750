"""The JSON behind a token's URI to `TokenMetadata`: what launchpads write there, and what strangers do. Pure.

Fields by the Metaplex Token Standard (`image`, `description`, `external_url`) and pump.fun's own (`website`, `twitter`,
`telegram`); older documents keep links under `extensions`.
"""

import json
from typing import Any, Final
from urllib.parse import urlsplit

from app.domain.metadata import TokenMetadata
from indexer.metadata.public import Refused

_MAX_LINK: Final = 2_048
_MAX_DESCRIPTION: Final = 10_000
_HANDLES: Final = {"twitter": "https://x.com/", "telegram": "https://t.me/", "discord": "https://discord.gg/"}


def read_document(body: bytes) -> TokenMetadata:
    """What the document says; fields that are not what they should be are left out. Raises Refused when it is no JSON
    object."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused("not JSON") from None
    if not isinstance(document, dict):
        raise Refused("not a JSON object")
    inner = document.get("extensions")
    said = {**(inner if isinstance(inner, dict) else {}), **document}
    return TokenMetadata(
        image=_link(said.get("image")),
        description=_text(said.get("description")),
        website=_link(said.get("website")) or _link(said.get("external_url")),
        twitter=_profile(said, "twitter") or _profile(said, "x", "twitter"),
        telegram=_profile(said, "telegram"),
        discord=_profile(said, "discord"),
    )


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return _clean(value)[:_MAX_DESCRIPTION].strip() or None


def _clean(text: str) -> str:
    """Without what Postgres cannot hold: NUL and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")


def _link(value: Any) -> str | None:
    """An absolute http, https or ipfs address; never `javascript:` and the like, which a page might open."""
    if not isinstance(value, str) or len(value) > _MAX_LINK:
        return None
    text = _clean(value).strip()
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    is_link = parts.scheme in ("http", "https", "ipfs") and bool(parts.netloc) and not any(c.isspace() for c in text)
    return text if is_link else None


def _profile(said: dict[str, Any], field: str, network: str = "") -> str | None:
    """A link, or a bare handle made one."""
    value = said.get(field)
    if link := _link(value):
        return link
    handle = value.strip().removeprefix("@") if isinstance(value, str) else ""
    is_handle = 0 < len(handle) <= 64 and handle.isascii() and all(c.isalnum() or c == "_" for c in handle)
    return _HANDLES[network or field] + handle if is_handle else None
