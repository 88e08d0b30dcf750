"""A traded token at its trade: what the trade's own row knows, and what never changes of the token.

So a trade is judged alike when it is live and years later; `app.store.measures` is the same in SQL.
"""

from decimal import Decimal

from app.domain.money import whole
from app.domain.programs import Protocol, Side, Stage, TradeProgram
from app.domain.records import ChainPoint, CurveState, TokenRecord, TradeRecord
from app.domain.valuation import ONE, PUMP_SUPPLY, passed_percent, progress
from app.live.moment import Moment


class Traded:
    """`moment.tokens` holds every token that was traded in the step."""

    __slots__ = ("_token", "_trade")

    def __init__(self, trade: TradeRecord, moment: Moment) -> None:
        self._trade = trade
        self._token: TokenRecord | None = moment.tokens.get(trade.mint)

    @property
    def quote_mint(self) -> str:
        return self._trade.quote_mint if self._token is None else self._token.quote_mint

    @property
    def created_at(self) -> int | None:
        return None if self._token is None else self._token.created_at

    @property
    def protocols(self) -> list[Protocol]:
        """Where it was launched, and where it traded."""
        return [self._trade.program, *([] if self._token is None else [self._token.protocol])]

    @property
    def stage(self) -> Stage:
        if self._is_on_pool:
            return Stage.GRADUATED
        return Stage.COMPLETED if self.progress >= ONE else Stage.BONDING

    @property
    def price_usd(self) -> Decimal | None:
        """Spot after the trade."""
        spot, rate = self._trade.spot_price, self._trade.quote_usd
        return None if spot is None or rate is None else spot * rate

    @property
    def market_cap(self) -> Decimal | None:
        """After the trade."""
        price, supply = self.price_usd, self._supply
        return None if price is None or supply is None else price * whole(supply, self._trade.base_decimals)

    @property
    def liquidity(self) -> Decimal | None:
        """Depth of the venue after the trade: real quote of a curve, both sides of a pool."""
        trade = self._trade
        if trade.real_quote_reserves is None or trade.quote_usd is None:
            return None
        quote = whole(trade.real_quote_reserves, trade.quote_decimals)
        if not self._is_on_pool:
            return quote * trade.quote_usd
        if trade.real_base_reserves is None or trade.spot_price is None:
            return None
        return (quote + whole(trade.real_base_reserves, trade.base_decimals) * trade.spot_price) * trade.quote_usd

    @property
    def progress(self) -> Decimal:
        """Part of the curve sold after the trade; all of it where the trade was on a pool."""
        return ONE if self._is_on_pool else progress(self._curve)

    @property
    def passed_percent(self) -> bool:
        """Whether it moved the progress of a curve over a whole per cent, up or down."""
        sign = 1 if self._trade.side is Side.BUY else -1
        return not self._is_on_pool and passed_percent(
            self._curve, sign * self._trade.base_amount, sign * self._trade.quote_amount
        )

    @property
    def _is_on_pool(self) -> bool:
        return self._trade.venue_kind is TradeProgram.AMM_POOL

    @property
    def _supply(self) -> int | None:
        launched_by = self._trade.program if self._token is None else self._token.protocol
        supply = self._trade.total_supply
        return PUMP_SUPPLY if supply is None and launched_by is Protocol.PUMP_FUN else supply

    @property
    def _curve(self) -> CurveState:
        trade, token = self._trade, self._token
        known = None if token is None or token.curve is None or token.curve.address != trade.venue else token.curve
        return CurveState(
            address=trade.venue,
            protocol=trade.program if known is None else known.protocol,
            config=None,
            virtual_base_reserves=trade.virtual_base_reserves,
            virtual_quote_reserves=trade.virtual_quote_reserves,
            real_base_reserves=trade.real_base_reserves,
            real_quote_reserves=trade.real_quote_reserves,
            sqrt_price=trade.sqrt_price,
            initial_real_base_reserves=None if known is None else known.initial_real_base_reserves,
            migration_threshold=None if known is None else known.migration_threshold,
            fee_bps=None,
            as_of=ChainPoint(trade.slot, trade.block_time, trade.commitment),
        )
