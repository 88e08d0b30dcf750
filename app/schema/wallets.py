"""GraphQL type of a wallet."""

import strawberry

from app.schema.nodes import Node, global_id
from app.schema.views import WalletView


def _id(wallet: strawberry.Parent[WalletView]) -> strawberry.ID:
    return global_id("Wallet", wallet.address)


@strawberry.type(description="A wallet.")
class Wallet(Node):
    id = strawberry.field(resolver=_id, description="Opaque global id.")
    address: str = strawberry.field(description="Address.")
