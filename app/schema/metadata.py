"""GraphQL type of what a token's own document says."""

import re
from typing import Final

import strawberry

from app.domain.metadata import TokenMetadata as Document
from app.domain.records import TokenRecord
from app.schema.context import Context
from app.schema.scalars import URL
from app.schema.views import MetadataView

_ADDRESS: Final = re.compile(r"(https?|ipfs|ar)://\S{1,2048}", re.IGNORECASE)
_SILENT: Final = Document()


@strawberry.type(description="Off-chain metadata of a token.")
class TokenMetadata:
    uri: URL | None = strawberry.field(description="Metadata URI.")
    image: URL | None = strawberry.field(description="Image.")
    description: str | None = strawberry.field(description="Description.")
    website: URL | None = strawberry.field(description="Website.")
    twitter: URL | None = strawberry.field(description="X (Twitter) link.")
    telegram: URL | None = strawberry.field(description="Telegram link.")
    discord: URL | None = strawberry.field(description="Discord link.")


async def metadata_of(context: Context, token: TokenRecord) -> MetadataView | None:
    """What is known of it; null where the chain names no document. Its fields are null until it was fetched."""
    if token.uri is None:
        return None
    found = await context.loaders.metadata.load(token.token_id) or _SILENT
    return MetadataView(
        uri=token.uri if _ADDRESS.fullmatch(token.uri) else None,
        image=found.image,
        description=found.description,
        website=found.website,
        twitter=found.twitter,
        telegram=found.telegram,
        discord=found.discord,
    )
