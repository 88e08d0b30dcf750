"""Batch to bytes and back, exactly: msgpack of the records, with the integers that msgpack cannot hold beside them."""

from collections.abc import Iterable

import msgspec

from app.domain.records import Batch, CurveState, TokenRecord, TradeRecord

_U64_MAX = (1 << 64) - 1


class _Wire(msgspec.Struct, frozen=True, array_like=True):
    """A batch whose square-root prices (u128) that pass 64 bits are kept apart, by index, as decimal text."""

    batch: Batch
    trade_sqrt_prices: dict[int, str]
    curve_sqrt_prices: dict[int, str]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


def encode(batch: Batch) -> bytes:
    """The bytes that `decode` turns back into an equal batch."""
    trades = _wide(t.sqrt_price for t in batch.trades)
    curves = _wide(t.curve.sqrt_price if t.curve else None for t in batch.tokens)
    if trades or curves:
        batch = _with_sqrt_prices(batch, dict.fromkeys(trades), dict.fromkeys(curves))
    return _encoder.encode(_Wire(batch, trades, curves))


def decode(message: bytes) -> Batch:
    """Raises msgspec.DecodeError when the bytes are not a batch of this version."""
    wire = _decoder.decode(message)
    if not wire.trade_sqrt_prices and not wire.curve_sqrt_prices:
        return wire.batch
    trades: dict[int, int | None] = {i: int(text) for i, text in wire.trade_sqrt_prices.items()}
    curves: dict[int, int | None] = {i: int(text) for i, text in wire.curve_sqrt_prices.items()}
    return _with_sqrt_prices(wire.batch, trades, curves)


def _wide(numbers: Iterable[int | None]) -> dict[int, str]:
    return {i: str(number) for i, number in enumerate(numbers) if number is not None and number > _U64_MAX}


def _with_sqrt_prices(batch: Batch, trades: dict[int, int | None], curves: dict[int, int | None]) -> Batch:
    return msgspec.structs.replace(
        batch,
        trades=tuple(_trade(t, trades[i]) if i in trades else t for i, t in enumerate(batch.trades)),
        tokens=tuple(_token(t, curves[i]) if i in curves else t for i, t in enumerate(batch.tokens)),
    )


def _trade(trade: TradeRecord, sqrt_price: int | None) -> TradeRecord:
    return msgspec.structs.replace(trade, sqrt_price=sqrt_price)


def _token(token: TokenRecord, sqrt_price: int | None) -> TokenRecord:
    curve: CurveState | None = token.curve
    return (
        token
        if curve is None
        else msgspec.structs.replace(token, curve=msgspec.structs.replace(curve, sqrt_price=sqrt_price))
    )
