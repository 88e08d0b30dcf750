"""What a token's own document says of it: text and links of its creator, unchecked but for their form."""

import msgspec


class TokenMetadata(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """None where the document is silent."""

    image: str | None = None
    description: str | None = None
    website: str | None = None
    twitter: str | None = None
    telegram: str | None = None
    discord: str | None = None
