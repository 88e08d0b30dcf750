"""GraphQL type of a holder."""

import strawberry

from app.domain.money import whole
from app.domain.records import TokenRecord
from app.domain.valuation import price_usd, total_supply
from app.errors import NotIndexed
from app.schema.arguments import check_limit
from app.schema.context import Context
from app.schema.keys import HoldersKey
from app.schema.scalars import BigInt
from app.schema.views import HolderView, WalletView
from app.schema.wallets import Wallet

_DEFAULT_HOLDERS = 20
_MAX_HOLDERS = 100


def known_supply(token: TokenRecord) -> int:
    """Raw supply. Raises NotIndexed where no indexed record tells it."""
    supply = total_supply(token)
    if not supply:
        raise NotIndexed(f"The supply of {token.mint} is not indexed: its launch was not seen.")
    return supply


def _wallet(holder: strawberry.Parent[HolderView]) -> WalletView:
    return WalletView(holder.address)


def _amount(holder: strawberry.Parent[HolderView]) -> float:
    return float(whole(holder.balance, holder.token.decimals))


def _share(holder: strawberry.Parent[HolderView]) -> float:
    return holder.balance / known_supply(holder.token)


def _value_usd(holder: strawberry.Parent[HolderView]) -> float | None:
    if holder.price_usd is None:
        return None
    return float(whole(holder.balance, holder.token.decimals) * holder.price_usd)


@strawberry.type(description="Share of a wallet in a token.")
class Holder:
    address: str = strawberry.field(description="Wallet address.")
    wallet = strawberry.field(resolver=_wallet, graphql_type=Wallet, description="Wallet.")
    balance: BigInt = strawberry.field(description="Raw balance.")
    amount = strawberry.field(resolver=_amount, description="Balance in whole tokens.")
    share = strawberry.field(resolver=_share, description="Share of supply, 0 to 1.")
    value_usd = strawberry.field(resolver=_value_usd, description="Value in USD.")


async def top_holders(
    context: Context, token: TokenRecord, limit: int | None, exclude_vaults: bool | None
) -> list[HolderView]:
    """The largest holders of a token, largest first."""
    count = check_limit(limit, "limit", _DEFAULT_HOLDERS, _MAX_HOLDERS)
    key = HoldersKey(token.token_id, count, exclude_vaults is not False)
    holdings, rates = await context.loaders.holders.load(key), await context.loaders.rates()
    price = price_usd(token, rates)
    return [HolderView(address=each.address, balance=each.balance, token=token, price_usd=price) for each in holdings]
