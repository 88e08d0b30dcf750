"""What accounts say about a token that was met in mid-life: read once, it fills what no indexed event told."""

import msgspec

from app.domain.programs import TradeProgram


class VenueFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A curve or pool account as it stood at a slot. Reserves as in `app.domain.events.Trade`, base is the token."""

    address: str
    kind: TradeProgram
    config: str | None = None
    virtual_base_reserves: int | None = None
    virtual_quote_reserves: int | None = None
    real_base_reserves: int | None = None
    real_quote_reserves: int | None = None
    sqrt_price: int | None = None
    initial_real_base_reserves: int | None = None
    migration_threshold: int | None = None
    """DBC: raw quote at which the curve is full."""
    fee_bps: int | None = None
    is_inverted: bool | None = None


class TokenFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A token as its accounts tell it; None where they do not."""

    mint: str
    slot: int
    """At which the accounts were read."""
    name: str | None = None
    symbol: str | None = None
    uri: str | None = None
    creator: str | None = None
    decimals: int | None = None
    token_program: str | None = None
    total_supply: int | None = None
    """Raw."""
    venues: tuple[VenueFacts, ...] = ()
