"""The fifteen points of PROGRAMS.md ("What an indexer must handle"), one after another, shown on made-up data."""

import pytest
from chain import (
    CONFIG,
    CREATOR,
    CURVE,
    MINT,
    POOL,
    SIGNATURE,
    TIME,
    TRADER,
    balance,
    call,
    data_line,
    dbc_call,
    dbc_swap,
    event,
    from_logs,
    key,
    pump_buy,
    pump_log,
    pump_trade,
    self_cpi,
    swap_buy,
    swap_call,
    swap_sell,
    transaction,
)

from app.domain.events import Completion, Launch, Migration, PoolCreation, Trade
from app.domain.programs import (
    METEORA_DBC,
    NATIVE_SOL,
    PUMP_FUN,
    PUMP_MIGRATION_AUTHORITY,
    PUMP_SWAP,
    RAYDIUM_AMM,
    USDC,
    WSOL,
    Protocol,
    Side,
    TradeProgram,
)
from indexer import base58
from indexer.decoders import decode
from indexer.decoders.context import PoolMints
from indexer.decoders.pump_fun import curve_address
from indexer.layouts.dynamic_bonding_curve import DBC
from indexer.layouts.pump import PUMP
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.transaction import Instruction, Transaction

ROUTER = key(77)
MINTS = PoolMints(MINT, WSOL, 6, 9)


def one_trade(source: Transaction, pools: dict[str, PoolMints] | None = None) -> Trade:
    decoded = decode(source, pools)
    assert [failure.cause for failure in decoded.failures] == []
    (trade,) = decoded.events
    assert isinstance(trade, Trade)
    return trade


def causes(source: Transaction) -> list[str]:
    decoded = decode(source)
    assert decoded.events == ()
    return [failure.cause for failure in decoded.failures]


# Point 1: the same event in the log and as a self-CPI is one trade.


def test_point_1_an_event_in_log_and_self_cpi_is_one_trade() -> None:
    payload = pump_trade()

    trade = one_trade(transaction(*pump_buy(payload), logs=pump_log(payload)))

    assert (trade.mint, trade.side, trade.base_amount, trade.quote_amount) == (
        MINT,
        Side.BUY,
        1_000_000_000,
        100_000_000,
    )


def test_point_1_identity_is_the_same_from_log_and_self_cpi() -> None:
    payloads = [event(PUMP, "CreateEvent", mint=MINT, user=TRADER, timestamp=TIME), pump_trade(), pump_trade(fee=1)]
    calls = [self_cpi(PUMP, payload) for payload in payloads]

    landed = decode(transaction(call(PUMP, "create_v2", mint=MINT), *calls)).events
    logged = decode(from_logs(*pump_log(*payloads))).events

    assert [e.identity for e in landed] == [e.identity for e in logged]
    assert [e.ordinal for e in landed] == [0, 1, 2]
    assert len({e.identity for e in landed}) == 3


# Point 2: DBC emits self-CPI only, and both EvtSwap and EvtSwap2.


def test_point_2_the_twin_events_of_a_dbc_swap_are_one_trade_with_the_first_ordinal() -> None:
    trade = one_trade(
        transaction(
            dbc_call(),
            self_cpi(DBC, dbc_swap("EvtSwap")),
            self_cpi(DBC, dbc_swap("EvtSwap2")),
            post_balances=(balance(MINT),),
        )
    )

    assert (trade.ordinal, trade.migration_threshold, trade.real_quote_reserves) == (0, 9_999, 960)


@pytest.mark.parametrize("name", ["EvtSwap", "EvtSwap2", "EvtSwap2WithTransferHook"])
def test_point_2_one_of_the_twins_alone_is_a_trade_too(name: str) -> None:
    landed = transaction(dbc_call(), self_cpi(DBC, dbc_swap(name)), post_balances=(balance(MINT),))

    trade = one_trade(landed)

    assert (trade.base_amount, trade.quote_amount, trade.fee) == (5_000, 960, 40)


def test_point_2_two_swaps_in_one_transaction_are_two_trades() -> None:
    swap = (dbc_call(), self_cpi(DBC, dbc_swap("EvtSwap")), self_cpi(DBC, dbc_swap("EvtSwap2")))

    events = decode(transaction(*swap, *swap, post_balances=(balance(MINT),))).events

    assert [e.ordinal for e in events] == [0, 2]


# Point 3: logs are truncated; the self-CPI is the truth.


def test_point_3_self_cpi_has_what_a_truncated_log_lost() -> None:
    payloads = [pump_trade(), pump_trade(is_buy=False)]
    logs = (f"Program {PUMP_FUN} invoke [1]", data_line(payloads[0]), "Log truncated")

    events = decode(transaction(*pump_buy(payloads[0]), *pump_buy(payloads[1], outer=1), logs=logs)).events

    assert [e.side for e in events if isinstance(e, Trade)] == [Side.BUY, Side.SELL]


def test_point_3_nothing_is_read_behind_the_cut_of_a_log() -> None:
    logs = (f"Program {PUMP_FUN} invoke [1]", data_line(pump_trade()), "Log truncated", data_line(pump_trade(fee=2)))

    decoded = decode(from_logs(*logs))

    assert len(decoded.events) == 1
    assert [(f.cause, f.program) for f in decoded.failures] == [("log truncated", PUMP_FUN)]


def test_point_3_a_cut_log_of_other_programs_is_no_failure() -> None:
    assert decode(from_logs(f"Program {ROUTER} invoke [1]", "Log truncated")).failures == ()


def test_point_3_a_data_line_counts_only_for_the_program_on_top_of_the_stack() -> None:
    payload = pump_trade()
    logs = (
        f"Program {ROUTER} invoke [1]",
        data_line(payload),  # A router that prints the same bytes is no pump trade.
        f"Program {PUMP_FUN} invoke [2]",
        f"Program {ROUTER} invoke [3]",
        data_line(payload),
        f"Program {ROUTER} failed: custom program error: 0x1",
        data_line(payload),
        f"Program {PUMP_FUN} success",
        data_line(payload),
        f"Program {ROUTER} success",
    )

    assert len(decode(from_logs(*logs)).events) == 1


# Point 4: quotes other than SOL zero the SOL fields.


def test_point_4_a_usdc_trade_takes_the_quote_fields() -> None:
    trade = one_trade(
        transaction(
            *pump_buy(
                pump_trade(
                    sol_amount=0,
                    virtual_sol_reserves=0,
                    real_sol_reserves=0,
                    quote_mint=USDC,
                    quote_amount=3_517_192,
                    virtual_quote_reserves=5_000_000_000,
                    real_quote_reserves=77,
                )
            )
        )
    )

    assert (trade.quote_mint, trade.quote_decimals, trade.quote_amount) == (USDC, 6, 3_517_192)
    assert (trade.virtual_quote_reserves, trade.real_quote_reserves) == (5_000_000_000, 77)


@pytest.mark.parametrize("quote", [NATIVE_SOL, WSOL])
def test_point_4_native_and_wrapped_sol_are_one_quote(quote: str) -> None:
    assert one_trade(transaction(*pump_buy(pump_trade(quote_mint=quote)))).quote_mint == WSOL


def test_point_4_a_quote_of_unknown_decimals_is_a_failure_until_the_balances_tell() -> None:
    payload = pump_trade(quote_mint=key(50))

    assert causes(from_logs(*pump_log(payload))) == ["mint decimals unknown"]
    assert one_trade(transaction(*pump_buy(payload), post_balances=(balance(key(50), 1, 8),))).quote_decimals == 8


def test_point_4_a_usdc_trade_cut_before_its_amount_is_no_trade() -> None:
    whole = pump_trade(sol_amount=0, quote_mint=USDC)
    cut = whole[: whole.index(base58.address_bytes(USDC)) + 32]

    assert causes(transaction(*pump_buy(cut))) == ["TradeEvent: too short for quote_amount"]


# Point 5: layouts grow at the end, lengths vary inside.

LENGTHS = [113, 129, 225, 258]


@pytest.mark.parametrize("length", LENGTHS)
def test_point_5_a_shorter_event_leaves_later_fields_absent(length: int) -> None:
    trade = one_trade(transaction(*pump_buy(pump_trade()[:length])))

    assert (trade.quote_amount, trade.quote_mint) == (100_000_000, WSOL)
    assert (trade.real_quote_reserves is None) == (length == 113)
    assert (trade.fee is None, trade.fee_bps is None) == (length < 225, length < 225)


def test_point_5_bytes_beyond_the_idl_are_no_failure() -> None:
    payload = pump_trade()

    assert one_trade(transaction(*pump_buy(payload + b"\x0c^\x09\0\0\0\0\0"))) == one_trade(
        transaction(*pump_buy(payload))
    )


def test_point_5_lengths_may_vary_inside() -> None:
    holders = [{"address": CREATOR, "share_bps": 10_000}]

    trade = one_trade(transaction(*pump_buy(pump_trade(ix_name="buy_exact_quote_in", shareholders=holders))))

    assert trade.quote_amount == 100_000_000


@pytest.mark.parametrize("length", [8, 40, 112, 200])
def test_point_5_an_event_cut_inside_is_a_failure_not_a_trade(length: int) -> None:
    (cause,) = causes(transaction(*pump_buy(pump_trade()[:length])))

    assert cause.startswith("TradeEvent: ")


# Point 6: mayhem curves; reserves come from events.


def test_point_6_a_mayhem_trade_keeps_the_reserves_of_its_event() -> None:
    trade = one_trade(transaction(*pump_buy(pump_trade(mayhem_mode=True, virtual_quote_reserves=7_000_000_000))))

    assert (trade.program, trade.virtual_quote_reserves) == (Protocol.PUMP_FUN_MAYHEM, 7_000_000_000)


def test_point_6_a_launch_has_only_the_reserves_that_its_event_tells() -> None:
    told = event(PUMP, "CreateEvent", mint=MINT, timestamp=TIME, virtual_token_reserves=5, is_mayhem_mode=True)

    (launch,) = decode(transaction(self_cpi(PUMP, told))).events
    assert isinstance(launch, Launch)
    assert (launch.program, launch.virtual_base_reserves) == (Protocol.PUMP_FUN_MAYHEM, 5)

    (old,) = decode(transaction(self_cpi(PUMP, told[: 8 + 12 + 32 * 3]))).events
    assert isinstance(old, Launch)
    assert (old.virtual_base_reserves, old.virtual_quote_reserves) == (None, None)


# Point 8: failures dominate; drop on `err` first.


def test_point_8_a_failed_transaction_yields_nothing_though_it_holds_events() -> None:
    payload = pump_trade()

    decoded = decode(transaction(*pump_buy(payload), logs=pump_log(payload), failed=True))

    assert (decoded.events, decoded.failures) == ((), ())


# Point 9: block time comes from the event where the source has none.


def test_point_9_the_events_own_time_goes_first() -> None:
    assert one_trade(transaction(*pump_buy(pump_trade(timestamp=TIME + 5)))).block_time == TIME + 5
    assert one_trade(from_logs(*pump_log(pump_trade()))).block_time == TIME


def test_point_9_an_event_without_time_takes_a_siblings_then_the_blocks() -> None:
    pool = event(DBC, "EvtInitializePool", pool=POOL, base_mint=MINT, config=CONFIG)
    opened = call(DBC, "initialize_virtual_pool_with_spl_token", pool=POOL, base_mint=MINT, quote_mint=WSOL)
    steps = (opened, self_cpi(DBC, pool))
    later = (dbc_call(), self_cpi(DBC, dbc_swap("EvtSwap", current_timestamp=TIME + 9)))
    moved = (balance(MINT),)

    assert decode(transaction(*steps, *later, post_balances=moved)).events[0].block_time == TIME + 9
    assert decode(transaction(*steps, post_balances=moved)).events[0].block_time == TIME
    assert causes(transaction(*steps, post_balances=moved, block_time=None)) == ["block time unknown"]


@pytest.mark.parametrize("time", [0, -1, 1 << 62])
def test_point_9_a_time_that_is_none_is_a_failure(time: int) -> None:
    assert causes(transaction(*pump_buy(pump_trade(timestamp=time)))) == ["timestamp out of range"]


# Point 10: several trades, routers, Token-2022.


def test_point_10_one_transaction_may_hold_several_trades_through_routers() -> None:
    router = Instruction(ROUTER, (), b"route", 0, 1)
    landed = transaction(
        router,
        *pump_buy(pump_trade()),
        swap_call(),
        self_cpi(PUMP_AMM, swap_buy()),
        *pump_buy(pump_trade(is_buy=False)),
        post_balances=(balance(MINT),),
    )

    events = decode(landed).events

    assert [(e.program, e.ordinal, e.event_index) for e in events] == [
        (Protocol.PUMP_FUN, 0, 0),
        (Protocol.PUMP_SWAP, 0, 1),
        (Protocol.PUMP_FUN, 1, 2),
    ]


def test_point_10_a_create_and_its_first_buy_are_a_launch_and_a_trade() -> None:
    created = event(
        PUMP, "CreateEvent", mint=MINT, bonding_curve=CURVE, name="Coin\0", symbol="C", user=TRADER, timestamp=TIME
    )

    launch, trade = decode(
        transaction(
            call(PUMP, "create_v2", mint=MINT, bonding_curve=CURVE, token_program=key(60)),
            self_cpi(PUMP, created),
            *pump_buy(pump_trade()),
        )
    ).events

    assert isinstance(launch, Launch)
    assert isinstance(trade, Trade)
    assert (launch.name, launch.bonding_curve, trade.venue) == ("Coin", CURVE, CURVE)


# Point 11: swap events name the pool, not the mint; DBC names no trader, no token name.


def test_point_11_mints_of_a_pumpswap_trade_come_from_its_instruction() -> None:
    trade = one_trade(transaction(swap_call(), self_cpi(PUMP_AMM, swap_buy()), post_balances=(balance(MINT),)))

    assert (trade.mint, trade.quote_mint, trade.venue, trade.venue_kind) == (MINT, WSOL, POOL, TradeProgram.AMM_POOL)


def test_point_11_a_pumpswap_trade_from_logs_waits_for_its_pool() -> None:
    payload = swap_buy()
    logged = from_logs(f"Program {PUMP_SWAP} invoke [1]", data_line(payload), f"Program {PUMP_SWAP} success")
    landed = transaction(swap_call(), self_cpi(PUMP_AMM, payload), post_balances=(balance(MINT),))

    assert causes(logged) == ["pool mints unknown"]
    assert one_trade(logged, {POOL: MINTS}).identity == one_trade(landed).identity
    assert one_trade(logged, {POOL: MINTS}).mint == MINT


def test_point_11_the_trader_of_a_dbc_swap_is_the_payer_of_its_own_instruction() -> None:
    other = key(61)
    landed = transaction(
        dbc_call(payer=TRADER),
        self_cpi(DBC, dbc_swap("EvtSwap")),
        dbc_call(payer=other),
        self_cpi(DBC, dbc_swap("EvtSwap")),
        post_balances=(balance(MINT),),
    )

    assert [e.trader for e in decode(landed).events if isinstance(e, Trade)] == [TRADER, other]


def test_point_11_a_raw_dbc_event_alone_has_no_trader() -> None:
    raw = transaction(events=((METEORA_DBC, dbc_swap("EvtSwap")),), is_partial=True)

    assert causes(raw) == ["pool mints unknown"]
    assert [f.cause for f in decode(raw, {POOL: MINTS}).failures] == ["trader unknown"]


def test_point_11_name_and_quote_of_a_dbc_launch_come_from_its_instruction() -> None:
    opened = call(
        DBC,
        "initialize_virtual_pool_with_token2022",
        args={"params": {"name": "Fun", "symbol": "F", "uri": "ipfs://x"}},
        pool=POOL,
        base_mint=MINT,
        quote_mint=USDC,
        token_program=key(62),
    )
    told = event(DBC, "EvtInitializePool", pool=POOL, config=CONFIG, creator=CREATOR, base_mint=MINT)

    (launch,) = decode(
        transaction(opened, self_cpi(DBC, told), post_balances=(balance(MINT, 7, 8), balance(MINT, 3, 8)))
    ).events

    assert isinstance(launch, Launch)
    assert (launch.name, launch.symbol, launch.uri, launch.creator) == ("Fun", "F", "ipfs://x", CREATOR)
    assert (launch.quote_mint, launch.base_decimals, launch.total_supply) == (USDC, 8, 10)
    assert (launch.config, launch.token_program) == (CONFIG, key(62))


# Point 12: DBC migration by instruction; pump's by its own event, exactly.


@pytest.mark.parametrize(
    ("name", "base", "quote", "to"),
    [
        ("migrate_meteora_damm", "token_a_mint", "token_b_mint", Protocol.METEORA_DAMM_V1),
        ("migration_damm_v2", "base_mint", "quote_mint", Protocol.METEORA_DAMM_V2),
    ],
)
def test_point_12_a_dbc_migration_is_seen_by_its_instruction(name: str, base: str, quote: str, to: Protocol) -> None:
    moved = call(DBC, name, **{"virtual_pool": CURVE, "pool": POOL, base: MINT, quote: WSOL})  # type: ignore[arg-type]

    (migration,) = decode(transaction(moved)).events

    assert isinstance(migration, Migration)
    assert (migration.mint, migration.bonding_curve, migration.pool) == (MINT, CURVE, POOL)
    assert (migration.to_program, migration.quote_mint, migration.ordinal) == (to, WSOL, 0)


def test_point_12_a_pump_migration_is_its_event() -> None:
    told = event(
        PUMP,
        "CompletePumpAmmMigrationEvent",
        mint=MINT,
        bonding_curve=CURVE,
        pool=POOL,
        mint_amount=206_900_000_000_000,
        sol_amount=84_990_359_062,
        timestamp=TIME,
        quote_mint=NATIVE_SOL,
    )

    (migration,) = decode(transaction(call(PUMP, "migrate_v2"), self_cpi(PUMP, told))).events

    assert isinstance(migration, Migration)
    assert (migration.pool, migration.to_program) == (POOL, Protocol.PUMP_SWAP)
    assert (migration.base_amount, migration.quote_amount) == (206_900_000_000_000, 84_990_359_062)


def test_point_12_moving_a_creator_is_no_migration() -> None:
    told = event(PUMP, "MigrateBondingCurveCreatorEvent", mint=MINT, bonding_curve=CURVE, timestamp=TIME)

    decoded = decode(transaction(call(PUMP, "migrate_bonding_curve_creator"), self_cpi(PUMP, told)))

    assert (decoded.events, decoded.failures) == ((), ())


def test_point_12_a_migrate_call_that_finds_the_curve_migrated_is_no_migration() -> None:
    assert decode(transaction(call(PUMP, "migrate"))).events == ()


# Point 13: inverted PumpSwap pools.


def test_point_13_in_an_inverted_pool_a_buy_sells_the_token() -> None:
    call_ = swap_call(base=WSOL, quote=MINT)

    trade = one_trade(transaction(call_, self_cpi(PUMP_AMM, swap_buy()), post_balances=(balance(MINT),)))

    assert (trade.side, trade.mint, trade.quote_mint) == (Side.SELL, MINT, WSOL)
    assert (trade.base_amount, trade.quote_amount, trade.fee) == (10_102, 10_000, None)
    assert (trade.real_base_reserves, trade.real_quote_reserves) == (1_010_104, 990_000)
    assert (trade.base_decimals, trade.quote_decimals) == (6, 9)


def test_point_13_an_inverted_pool_is_created_with_the_token_as_base() -> None:
    told = event(
        PUMP_AMM,
        "CreatePoolEvent",
        timestamp=TIME,
        base_mint=WSOL,
        quote_mint=MINT,
        base_mint_decimals=9,
        quote_mint_decimals=6,
        pool_base_amount=100,
        pool_quote_amount=900,
        pool=POOL,
    )

    (pool,) = decode(transaction(self_cpi(PUMP_AMM, told))).events

    assert isinstance(pool, PoolCreation)
    assert (pool.mint, pool.is_inverted, pool.base_reserves, pool.quote_reserves) == (MINT, True, 900, 100)
    assert (pool.base_decimals, pool.quote_decimals) == (6, 9)


@pytest.mark.parametrize(("base", "quote"), [(WSOL, USDC), (key(70), key(71))])
def test_point_13_a_pool_of_two_quotes_or_of_none_keeps_its_orientation(base: str, quote: str) -> None:
    landed = transaction(
        swap_call(base=base, quote=quote),
        self_cpi(PUMP_AMM, swap_buy()),
        post_balances=(balance(key(70)), balance(key(71))),
    )

    assert (one_trade(landed).mint, one_trade(landed).side) == (base, Side.BUY)


# Point 14: a DBC config is shared by many tokens.


def test_point_14_a_dbc_trade_is_keyed_by_its_pool_and_keeps_the_config_beside() -> None:
    trade = one_trade(transaction(dbc_call(), self_cpi(DBC, dbc_swap("EvtSwap2")), post_balances=(balance(MINT),)))

    assert (trade.mint, trade.venue, trade.config) == (MINT, POOL, CONFIG)


# Point 15: until 2025-03-20 pump.fun graduated to Raydium.


def raydium_open(wallet: str, *, coin: str = MINT, pc: str = WSOL) -> Instruction:
    accounts = [key(80 + index) for index in range(21)]
    accounts[4], accounts[8], accounts[9], accounts[17] = POOL, coin, pc, wallet
    data = bytes([1, 254]) + (0).to_bytes(8, "little") + (79).to_bytes(8, "little") + (206).to_bytes(8, "little")
    return Instruction(RAYDIUM_AMM, tuple(accounts), data, 0, 1)


@pytest.mark.parametrize(("coin", "pc", "base", "quote"), [(MINT, WSOL, 206, 79), (WSOL, MINT, 79, 206)])
def test_point_15_a_pool_opened_by_pumps_authority_is_a_graduation_to_raydium(
    coin: str, pc: str, base: int, quote: int
) -> None:
    (migration,) = decode(transaction(raydium_open(PUMP_MIGRATION_AUTHORITY, coin=coin, pc=pc))).events

    assert isinstance(migration, Migration)
    assert (migration.program, migration.to_program, migration.pool) == (Protocol.PUMP_FUN, Protocol.RAYDIUM_AMM, POOL)
    assert (migration.mint, migration.bonding_curve) == (MINT, curve_address(MINT))
    assert (migration.base_amount, migration.quote_amount) == (base, quote)


def test_point_15_a_pool_opened_by_anyone_else_is_not() -> None:
    assert decode(transaction(raydium_open(TRADER))).events == ()


# What the events become.


def test_a_pump_trade_adds_all_fees_and_takes_the_curve_from_its_instruction() -> None:
    trade = one_trade(
        transaction(
            *pump_buy(pump_trade(cashback=10, holder_rewards=20, cashback_fee_basis_points=1, holder_rewards_bps=2)),
            fee=105_000,
            signers=1,
            compute_units=66_344,
        )
    )

    assert (trade.fee, trade.fee_bps) == (1_250_030, 128)
    assert (trade.venue, trade.creator, trade.trader) == (CURVE, CREATOR, TRADER)
    assert (trade.compute_units, trade.priority_fee) == (66_344, 100_000)
    assert (trade.signature, trade.slot, trade.transaction_index) == (SIGNATURE, 450_000_000, 7)


def test_a_creator_of_all_ones_is_nobody() -> None:
    assert one_trade(transaction(*pump_buy(pump_trade(creator=key(0))))).creator is None


def test_reserves_of_a_pumpswap_trade_are_those_after_it() -> None:
    bought = transaction(swap_call(), self_cpi(PUMP_AMM, swap_buy()), post_balances=(balance(MINT),))
    sold = transaction(swap_call("sell"), self_cpi(PUMP_AMM, swap_sell()), post_balances=(balance(MINT),))

    buy, sell = one_trade(bought), one_trade(sold)

    assert (buy.real_base_reserves, buy.real_quote_reserves, buy.fee) == (990_000, 1_010_104, 5)
    assert (sell.real_base_reserves, sell.real_quote_reserves, sell.fee) == (1_010_000, 990_102, 5)
    assert (sell.base_amount, sell.quote_amount, sell.side) == (10_000, 9_900, Side.SELL)


def test_a_boosted_pool_is_priced_with_its_virtual_quote() -> None:
    boosted = swap_buy(virtual_quote_reserves=17_584_505_309)

    trade = one_trade(transaction(swap_call(), self_cpi(PUMP_AMM, boosted), post_balances=(balance(MINT),)))

    assert (trade.virtual_quote_reserves, trade.real_quote_reserves) == (17_584_505_309 + 1_010_104, 1_010_104)


def test_reserves_that_do_not_add_up_are_a_failure() -> None:
    impossible = swap_buy(base_amount_out=2_000_000)

    landed = transaction(swap_call(), self_cpi(PUMP_AMM, impossible), post_balances=(balance(MINT),))

    assert causes(landed) == ["reserves do not add up"]


@pytest.mark.parametrize(
    ("direction", "included", "excluded", "base", "quote", "fee"),
    [
        (1, 1_000, 960, 5_000, 960, 40),  # A buy that pays its fee in quote.
        (1, 1_000, 1_000, 5_040, 1_000, None),  # A buy that pays it in base.
        (0, 1_000, 1_000, 1_000, 5_040, 40),  # A sell always pays it in quote.
    ],
)
def test_amounts_of_a_dbc_trade_are_those_before_fees(
    direction: int, included: int, excluded: int, base: int, quote: int, fee: int | None
) -> None:
    result = {
        "included_fee_input_amount": included,
        "excluded_fee_input_amount": excluded,
        "amount_left": 0,
        "output_amount": 5_000,
        "next_sqrt_price": 1 << 63,
        "trading_fee": 30,
        "protocol_fee": 8,
        "referral_fee": 2,
    }
    payload = dbc_swap("EvtSwap2", direction=direction, swap_result=result)

    trade = one_trade(transaction(dbc_call(), self_cpi(DBC, payload), post_balances=(balance(MINT),)))

    assert (trade.base_amount, trade.quote_amount, trade.fee) == (base, quote, fee)
    assert trade.side is (Side.BUY if direction else Side.SELL)


def test_decimals_come_from_transfers_where_there_are_no_balances() -> None:
    transfer = Instruction(key(0), (), b"", 0, 2)
    moved = Instruction(
        "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
        (key(1), MINT, key(2), key(3)),
        bytes([12]) + bytes(8) + b"\7",
        0,
        2,
    )

    trade = one_trade(transaction(dbc_call(), transfer, moved, self_cpi(DBC, dbc_swap("EvtSwap"))))

    assert trade.base_decimals == 7


def test_a_full_dbc_curve_is_a_completion() -> None:
    told = event(DBC, "EvtCurveComplete", pool=POOL, config=CONFIG, base_reserve=5, quote_reserve=9)

    landed = transaction(
        dbc_call(), self_cpi(DBC, dbc_swap("EvtSwap")), self_cpi(DBC, told), post_balances=(balance(MINT),)
    )

    completion = decode(landed).events[-1]
    assert isinstance(completion, Completion)
    assert (completion.mint, completion.bonding_curve) == (MINT, POOL)
    assert (completion.base_reserves, completion.quote_reserves, completion.block_time) == (5, 9, TIME)


def test_a_full_pump_curve_is_a_completion() -> None:
    told = event(PUMP, "CompleteEvent", mint=MINT, bonding_curve=CURVE, user=TRADER, timestamp=TIME)

    (completion,) = decode(transaction(self_cpi(PUMP, told))).events

    assert isinstance(completion, Completion)
    assert (completion.mint, completion.bonding_curve, completion.quote_mint) == (MINT, CURVE, WSOL)


def test_deposits_and_administration_are_neither_events_nor_failures() -> None:
    steps = [self_cpi(PUMP_AMM, event(PUMP_AMM, name, timestamp=TIME)) for name in ("DepositEvent", "WithdrawEvent")]

    decoded = decode(transaction(*steps))

    assert (decoded.events, decoded.failures) == ((), ())


def test_an_event_that_no_idl_knows_is_a_failure_that_says_which() -> None:
    decoded = decode(transaction(self_cpi(PUMP, bytes.fromhex("0102030405060708ff"))))

    (failure,) = decoded.failures
    assert (failure.cause, failure.program, failure.signature) == (
        "unknown event 0102030405060708",
        PUMP_FUN,
        SIGNATURE,
    )


def test_one_unreadable_event_costs_the_others_nothing() -> None:
    decoded = decode(transaction(self_cpi(PUMP, b"\x01"), *pump_buy(pump_trade())))

    assert len(decoded.failures) == 1
    assert [e.ordinal for e in decoded.events] == [1]
