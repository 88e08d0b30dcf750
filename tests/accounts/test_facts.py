"""A token met in mid-life: its accounts, laid out as the programs lay them out, to what its launch would have told."""

import asyncio
import base64
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import load, needs_recordings
from solders.pubkey import Pubkey

from app.domain.facts import TokenFacts
from app.domain.programs import METEORA_DBC, PUMP_FUN, PUMP_SWAP, SPL_TOKEN, TOKEN_2022, WSOL, Protocol
from app.errors import DecodeError
from indexer.facts import Held, Snapshot, Wanted, read_facts
from indexer.layouts.dynamic_bonding_curve import DBC
from indexer.layouts.idl import Idl
from indexer.layouts.pump import PUMP
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.mints import METAPLEX, bonding_curve_address, metadata_address, read_amount, read_metadata, read_mint

MINT, POOL, CREATOR, CONFIG, BASE_VAULT, QUOTE_VAULT = (str(Pubkey.from_bytes(bytes([n] * 32))) for n in range(1, 7))


def text(value: str, length: int = 0) -> bytes:
    data = value.encode().ljust(length, b"\0")
    return struct.pack("<I", len(data)) + data


def mint_account(supply: int, decimals: int) -> bytes:
    return bytes(36) + struct.pack("<QB?", supply, decimals, True) + bytes(36)


def extended_mint_account(supply: int, name: str, symbol: str, uri: str) -> bytes:
    value = bytes(64) + text(name) + text(symbol) + text(uri) + bytes(4)
    other = struct.pack("<HH", 18, 64) + bytes(64)
    return mint_account(supply, 6).ljust(165, b"\0") + b"\1" + other + struct.pack("<HH", 19, len(value)) + value


def metadata_account(name: str, symbol: str, uri: str) -> bytes:
    return b"\4" + bytes(64) + text(name, 32) + text(symbol, 10) + text(uri, 200) + bytes(100)


def token_account(amount: int) -> bytes:
    return bytes(64) + struct.pack("<Q", amount) + bytes(93)


def account(idl: Idl, name: str, **fields: Any) -> Held:
    """An account with these fields, and nothing (0) in all others."""
    layout = next(each for each in idl.accounts.values() if each.name == name)
    empty, _ = layout.record.read(bytes(10_000), 0)
    return Held(idl.program, layout.encode(merged(empty, fields)))


def merged(empty: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    inner = {name: merged(empty[name], value) for name, value in fields.items() if isinstance(value, dict)}
    assert set(fields) <= set(empty), "a field that the IDL does not have"
    return {**empty, **fields, **inner}


class Chain:
    """Accounts at slot 1,000, read as a node tells them; counts the questions."""

    def __init__(self, accounts: dict[str, Held]) -> None:
        self.accounts = accounts
        self.asked = 0

    async def read(self, addresses: Sequence[str]) -> Snapshot:
        assert len(addresses) <= 100
        self.asked += 1
        return Snapshot(1_000, {each: self.accounts[each] for each in addresses if each in self.accounts})

    def facts(self, *wanted: Wanted) -> list[TokenFacts]:
        return asyncio.run(read_facts(self.read, wanted))


def pump_token() -> dict[str, Held]:
    curve = account(
        PUMP,
        "BondingCurve",
        virtual_token_reserves=900_000_000_000_000,
        virtual_quote_reserves=35_766_666_667,
        real_token_reserves=620_000_000_000_000,
        real_quote_reserves=5_766_666_667,
        token_total_supply=1_000_000_000_000_000,
        creator=CREATOR,
    )
    return {
        MINT: Held(TOKEN_2022, extended_mint_account(999, "Sea Turtle 🐢", "TURT", "ipfs://x")),
        bonding_curve_address(MINT): curve,
    }


def test_a_pump_curve_tells_creator_supply_and_reserves_and_its_mint_the_names() -> None:
    curve = bonding_curve_address(MINT)
    (facts,) = Chain(pump_token()).facts(Wanted(MINT, ((curve, Protocol.PUMP_FUN),)))
    assert (facts.name, facts.symbol, facts.uri) == ("Sea Turtle 🐢", "TURT", "ipfs://x")
    assert (facts.creator, facts.decimals, facts.total_supply) == (CREATOR, 6, 1_000_000_000_000_000)
    assert (facts.token_program, facts.slot) == (TOKEN_2022, 1_000)
    (venue,) = facts.venues
    assert (venue.address, venue.virtual_base_reserves, venue.virtual_quote_reserves) == (
        curve,
        900_000_000_000_000,
        35_766_666_667,
    )
    assert (venue.real_base_reserves, venue.real_quote_reserves) == (620_000_000_000_000, 5_766_666_667)


def test_names_of_an_older_token_come_from_its_metadata_account() -> None:
    chain = Chain(
        {
            MINT: Held(SPL_TOKEN, mint_account(5, 9)),
            metadata_address(MINT): Held(METAPLEX, metadata_account("Old One", "OLD", "https://example.com/1")),
        }
    )
    (facts,) = chain.facts(Wanted(MINT, ()))
    assert (facts.name, facts.symbol, facts.uri) == ("Old One", "OLD", "https://example.com/1")
    assert (facts.decimals, facts.total_supply, facts.creator) == (9, 5, None)


@pytest.mark.parametrize("is_inverted", [False, True])
def test_a_pool_tells_its_reserves_from_the_launched_tokens_view(is_inverted: bool) -> None:
    mints = (WSOL, MINT) if is_inverted else (MINT, WSOL)
    vaults = (QUOTE_VAULT, BASE_VAULT) if is_inverted else (BASE_VAULT, QUOTE_VAULT)
    pool = account(
        PUMP_AMM,
        "Pool",
        base_mint=mints[0],
        quote_mint=mints[1],
        pool_base_token_account=vaults[0],
        pool_quote_token_account=vaults[1],
        coin_creator=CREATOR,
    )
    chain = Chain(
        {
            MINT: Held(SPL_TOKEN, mint_account(10**15, 6)),
            POOL: pool,
            BASE_VAULT: Held(SPL_TOKEN, token_account(206_900_000_000_000)),
            QUOTE_VAULT: Held(SPL_TOKEN, token_account(84_990_359_000)),
        }
    )
    (facts,) = chain.facts(Wanted(MINT, ((POOL, Protocol.PUMP_SWAP),)))
    (venue,) = facts.venues
    assert (venue.real_base_reserves, venue.real_quote_reserves) == (206_900_000_000_000, 84_990_359_000)
    assert (venue.virtual_base_reserves, venue.virtual_quote_reserves) == (206_900_000_000_000, 84_990_359_000)
    assert venue.is_inverted is is_inverted
    assert facts.creator == CREATOR


def test_a_boosted_pool_is_priced_with_its_virtual_quote() -> None:
    pool = account(
        PUMP_AMM,
        "Pool",
        base_mint=MINT,
        quote_mint=WSOL,
        pool_base_token_account=BASE_VAULT,
        pool_quote_token_account=QUOTE_VAULT,
        virtual_quote_reserves=17_580_000_000,
    )
    vaults = {BASE_VAULT: Held(SPL_TOKEN, token_account(100)), QUOTE_VAULT: Held(SPL_TOKEN, token_account(7))}
    chain = Chain({MINT: Held(SPL_TOKEN, mint_account(1, 6)), POOL: pool, **vaults})
    (facts,) = chain.facts(Wanted(MINT, ((POOL, Protocol.PUMP_SWAP),)))
    assert (facts.venues[0].real_quote_reserves, facts.venues[0].virtual_quote_reserves) == (7, 17_580_000_007)


def test_a_meteora_curve_tells_its_price_and_its_config_the_threshold() -> None:
    state = {"config": CONFIG, "creator": CREATOR, "base_reserve": 70, "quote_reserve": 80, "sqrt_price": 1 << 60}
    chain = Chain(
        {
            MINT: Held(TOKEN_2022, mint_account(10**18, 9)),
            POOL: account(DBC, "VirtualPool", pool_state=state),
            CONFIG: account(DBC, "PoolConfig", migration_quote_threshold=85_000_000_000),
        }
    )
    (facts,) = chain.facts(Wanted(MINT, ((POOL, Protocol.METEORA_DBC),)))
    (venue,) = facts.venues
    assert (venue.sqrt_price, venue.config, venue.migration_threshold) == (1 << 60, CONFIG, 85_000_000_000)
    assert (facts.creator, facts.total_supply, facts.decimals) == (CREATOR, 10**18, 9)


def test_a_token_without_accounts_has_no_facts_and_the_others_are_not_disturbed() -> None:
    gone = str(Pubkey.from_bytes(bytes([9] * 32)))
    curve = bonding_curve_address(MINT)
    facts = Chain(pump_token()).facts(Wanted(gone, ()), Wanted(MINT, ((curve, Protocol.PUMP_FUN),)))
    assert [each.mint for each in facts] == [MINT]


def test_many_tokens_are_read_in_few_questions() -> None:
    mints = [str(Pubkey.from_bytes(n.to_bytes(32, "big"))) for n in range(1, 101)]
    chain = Chain({mint: Held(SPL_TOKEN, mint_account(1, 6)) for mint in mints})
    assert len(chain.facts(*(Wanted(mint, ()) for mint in mints))) == 100
    assert chain.asked == 3, "100 mints with their metadata and curves are 300 accounts"


@given(st.sampled_from([SPL_TOKEN, TOKEN_2022, METAPLEX, PUMP_FUN, PUMP_SWAP, METEORA_DBC]), st.binary(max_size=400))
def test_any_bytes_in_any_account_never_break_the_reading(owner: str, data: bytes) -> None:
    for read in (read_mint, read_metadata, read_amount):
        try:
            read(owner, data)
        except DecodeError:
            continue
    chain = Chain({MINT: Held(SPL_TOKEN, mint_account(1, 6)), POOL: Held(owner, data)})
    (facts,) = chain.facts(Wanted(MINT, tuple((POOL, each) for each in Protocol)))
    assert facts.total_supply == 1


@needs_recordings()
def test_the_recorded_curve_account_is_read_exactly() -> None:
    recorded = load("accounts", "pump_bonding_curve_151b_202609.json")
    curve = Held(recorded["owner"], base64.b64decode(recorded["data"]))
    chain = Chain({MINT: Held(SPL_TOKEN, mint_account(1, 6)), bonding_curve_address(MINT): curve})
    (facts,) = chain.facts(Wanted(MINT, ((bonding_curve_address(MINT), Protocol.PUMP_FUN),)))
    assert facts.total_supply == 1_000_000_000_000_000
    reserves = struct.unpack_from("<4Q", curve.data, 8)
    venue = facts.venues[0]
    assert reserves == (671_366_176_313_565, 47_947_009_406, 391_466_176_313_565, 17_947_009_406)
    assert reserves == (
        venue.virtual_base_reserves,
        venue.virtual_quote_reserves,
        venue.real_base_reserves,
        venue.real_quote_reserves,
    )
