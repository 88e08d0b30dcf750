"""Builders with a default for every field, and a small market of events that hang together. A test names only what it
is about."""

import hashlib
import random
from itertools import count
from typing import Any

from solders.pubkey import Pubkey
from solders.signature import Signature

from app.domain.events import (
    MAX_EVENT_INDEX,
    Completion,
    Event,
    Launch,
    Migration,
    PoolCreation,
    TokenBalance,
    Trade,
    pack_position,
)
from app.domain.programs import WSOL, Commitment, Protocol, Side, TradeProgram
from app.store.writer_accounts import Balance

T0 = 1_790_000_000
"""A moment of September 2026, Unix seconds."""
SLOT0 = 400_000_000
_numbers = count(1)


def address(name: str) -> str:
    """A base58 address that is always the same for a name."""
    return str(Pubkey.from_bytes(hashlib.sha256(name.encode()).digest()))


def signature(name: str) -> str:
    """A base58 signature that is always the same for a name."""
    return str(Signature.from_bytes(hashlib.sha512(name.encode()).digest()))


def head(**given: Any) -> dict[str, Any]:
    """The fields of `EventHead`; a signature of its own unless one is given."""
    defaults: dict[str, Any] = {
        "signature": signature(f"transaction {next(_numbers)}"),
        "program": Protocol.PUMP_FUN,
        "ordinal": 0,
        "event_index": 0,
        "slot": SLOT0,
        "transaction_index": 0,
        "block_time": T0,
        "commitment": Commitment.CONFIRMED,
    }
    return {**defaults, **given}


def launch(**given: Any) -> Launch:
    """A pump.fun launch of `MINT`."""
    mint = given.get("mint", address("mint"))
    defaults: dict[str, Any] = {
        "mint": mint,
        "bonding_curve": curve_of(mint),
        "config": None,
        "creator": address("creator"),
        "name": "First Light",
        "symbol": "LIGHT",
        "uri": "https://example.org/light.json",
        "base_decimals": 6,
        "quote_mint": WSOL,
        "quote_decimals": 9,
        "token_program": None,
        "total_supply": 10**15,
        "virtual_base_reserves": 1_073_000_000_000_000,
        "virtual_quote_reserves": 30_000_000_000,
        "real_base_reserves": 793_100_000_000_000,
        "real_quote_reserves": 0,
    }
    return Launch(**head(**{**defaults, **given}))


def trade(**given: Any) -> Trade:
    """A buy on the pump.fun curve."""
    mint = given.get("mint", address("mint"))
    defaults: dict[str, Any] = {
        "mint": mint,
        "quote_mint": WSOL,
        "base_decimals": 6,
        "quote_decimals": 9,
        "venue": curve_of(mint),
        "venue_kind": TradeProgram.BONDING_CURVE,
        "side": Side.BUY,
        "trader": address("trader"),
        "base_amount": 34_612_903_225_806,
        "quote_amount": 1_000_000_000,
        "fee": 12_500_000,
        "virtual_base_reserves": 1_038_387_096_774_194,
        "virtual_quote_reserves": 31_000_000_000,
        "real_base_reserves": 758_487_096_774_194,
        "real_quote_reserves": 1_000_000_000,
    }
    return Trade(**head(**{**defaults, **given}))


def pool_trade(**given: Any) -> Trade:
    """A buy on the PumpSwap pool."""
    mint = given.get("mint", address("mint"))
    defaults: dict[str, Any] = {
        "program": Protocol.PUMP_SWAP,
        "venue": pool_of(mint),
        "venue_kind": TradeProgram.AMM_POOL,
        "virtual_base_reserves": 206_900_000_000_000,
        "virtual_quote_reserves": 84_990_359_000,
        "real_base_reserves": 206_900_000_000_000,
        "real_quote_reserves": 84_990_359_000,
    }
    return trade(**{**defaults, **given})


def completion(**given: Any) -> Completion:
    mint = given.get("mint", address("mint"))
    defaults = {"mint": mint, "bonding_curve": curve_of(mint), "quote_mint": WSOL}
    return Completion(**head(**{**defaults, **given}))


def migration(**given: Any) -> Migration:
    """pump.fun to PumpSwap."""
    mint = given.get("mint", address("mint"))
    defaults: dict[str, Any] = {
        "mint": mint,
        "bonding_curve": curve_of(mint),
        "pool": pool_of(mint),
        "to_program": Protocol.PUMP_SWAP,
        "quote_mint": WSOL,
        "base_amount": 206_900_000_000_000,
        "quote_amount": 84_990_359_000,
    }
    return Migration(**head(**{**defaults, **given}))


def pool_creation(**given: Any) -> PoolCreation:
    mint = given.get("mint", address("mint"))
    defaults: dict[str, Any] = {
        "program": Protocol.PUMP_SWAP,
        "mint": mint,
        "pool": pool_of(mint),
        "quote_mint": WSOL,
        "base_decimals": 6,
        "quote_decimals": 9,
        "creator": address("migration authority"),
        "coin_creator": None,
        "base_reserves": 206_900_000_000_000,
        "quote_reserves": 84_990_359_000,
        "is_inverted": False,
    }
    return PoolCreation(**head(**{**defaults, **given}))


def balance(event: Event, owner: str, amount: int, account: str | None = None) -> Balance:
    """What `owner` holds of the event's token after the event's transaction."""
    held = TokenBalance(account or address(f"account {owner} {event.mint}"), event.mint, owner, amount, 6)
    position = pack_position(event.slot, event.transaction_index, MAX_EVENT_INDEX)
    return Balance((event.block_time, position, hashlib.sha256(event.signature.encode()).digest()[:16]), held)


def curve_of(mint: str) -> str:
    return address(f"curve of {mint}")


def pool_of(mint: str) -> str:
    return address(f"pool of {mint}")


def market(seed: int, length: int, tokens: int = 4) -> list[tuple[Event, list[Balance]]]:
    """A market in chain order: launches, trades, completions, migrations and pool trades, each with its balances.

    Some tokens are seen without their launch, as when indexing began late. Several events share a second or a slot.
    """
    dice = random.Random(seed)
    mints = [address(f"mint {seed} {number}") for number in range(tokens)]
    life = dict.fromkeys(mints, 0)
    story: list[tuple[Event, list[Balance]]] = []
    for step in range(length):
        mint = dice.choice(mints)
        place = {
            "mint": mint,
            "signature": signature(f"market {seed} {step}"),
            "slot": SLOT0 + step // 3,
            "transaction_index": step % 3,
            "block_time": T0 + step * 7,
        }
        event = _next_event(dice, mint, life, place, is_launch_seen=mint != mints[-1])
        story.append((event, _balances(dice, event)))
    return story


def _next_event(
    dice: random.Random, mint: str, life: dict[str, int], place: dict[str, Any], *, is_launch_seen: bool
) -> Event:
    life[mint] += 1
    if life[mint] == 1 and is_launch_seen:
        return launch(**place, creator=address(f"creator of {mint}"))
    if life[mint] == 12:
        return completion(**place)
    if life[mint] == 13:
        return migration(**place)
    if life[mint] == 14:
        return pool_creation(**place)
    build = pool_trade if life[mint] > 14 else trade
    return build(
        **place,
        trader=address(f"trader {dice.randrange(6)}"),
        side=dice.choice([Side.BUY, Side.SELL]),
        base_amount=dice.randrange(1, 10**13),
        quote_amount=dice.randrange(1, 10**10),
        virtual_base_reserves=dice.randrange(10**14, 10**15),
        virtual_quote_reserves=dice.randrange(3 * 10**10, 10**11),
        creator=dice.choice([None, address("creator told by trades")]),
    )


def _balances(dice: random.Random, event: Event) -> list[Balance]:
    if not isinstance(event, Trade):
        return []
    return [
        balance(event, event.trader, dice.choice([0, 0, 5, 10**12])),
        balance(event, event.venue, dice.randrange(10**14)),
    ]
