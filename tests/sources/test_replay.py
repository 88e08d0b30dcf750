"""A replay reads every recording, names what it cannot read, resumes where it stood, and keeps the pace it is told."""

import gzip
import json
import tracemalloc
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zstandard
from chain import (
    MINT,
    SIGNATURE,
    TIME,
    balance,
    call,
    from_logs,
    key,
    pump_buy,
    pump_log,
    pump_trade,
    self_cpi,
    transaction,
)
from hypothesis import given
from hypothesis import strategies as st
from recorded import DATA, names, needs_recordings, raw

from app.domain.events import Rate, TokenBalance
from app.domain.programs import PUMP_FUN, WSOL, Commitment
from app.errors import StartupError
from indexer import base58
from indexer.decoders import decode
from indexer.layouts.pump import PUMP
from indexer.parse import parse
from indexer.recordings import SIMULATED, read_pieces, write_recording
from indexer.sources import Delivery
from indexer.sources.replay import BATCH, ReplaySource
from indexer.transaction import Instruction, Transaction


def recording(count: int, *, first: int = 0) -> bytes:
    """NDJSON of so many transactions, told apart by their slot."""
    out = BytesIO()
    write_recording(
        out, [transaction(*pump_buy(pump_trade()), slot=first + n, accounts=ACCOUNTS) for n in range(count)]
    )
    return out.getvalue()


ACCOUNTS = tuple(dict.fromkeys(a for i in pump_buy(pump_trade()) for a in (*i.accounts, i.program)))


async def replay(path: Path, state: bytes | None = None, **options: Any) -> list[Delivery]:
    return [delivery async for delivery in ReplaySource(path, **options).stream(state)]


def slots(deliveries: Sequence[Delivery]) -> list[int]:
    return [t.slot for delivery in deliveries for t in delivery.transactions]


def complaints(deliveries: Sequence[Delivery]) -> dict[str, str]:
    return {u.where: u.why for delivery in deliveries for u in delivery.unreadable}


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.ndjson", bytes),
        ("a.jsonl", bytes),
        ("a.json", bytes),
        ("a.ndjson.gz", gzip.compress),
        ("a.ndjson.zst", zstandard.ZstdCompressor().compress),
        ("a.ndjson.zst", lambda data: b"".join(map(zstandard.ZstdCompressor().compress, data.splitlines(True)))),
        ("a.json", gzip.compress),  # Told by its content, not by its name.
    ],
)
async def test_lines_are_read_from_any_packing(tmp_path: Path, name: str, pack: Any) -> None:
    (tmp_path / name).write_bytes(pack(recording(3)))

    assert slots(await replay(tmp_path / name)) == [0, 1, 2]


@pytest.mark.parametrize("indent", [None, 1])
async def test_one_document_a_file_is_read_however_it_is_laid_out(tmp_path: Path, indent: int | None) -> None:
    document = json.loads(recording(1, first=7))
    (tmp_path / "one.json").write_text(json.dumps(document, indent=indent))
    (tmp_path / "two.json").write_text(json.dumps([document, document], indent=indent))

    assert slots(await replay(tmp_path)) == [7, 7, 7]


async def test_a_folder_is_read_in_order_of_names_with_its_subfolders(tmp_path: Path) -> None:
    for number, name in enumerate(["a/2.ndjson", "a/10.ndjson", "b.ndjson", ".hidden/x.ndjson", "a.ndjson"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(recording(1, first=number))

    assert slots(await replay(tmp_path)) == [4, 1, 0, 2]


async def test_what_cannot_be_read_is_named_and_the_rest_is_delivered(tmp_path: Path) -> None:
    good = recording(1)
    (tmp_path / "a.ndjson").write_bytes(good + b'{"broken\n' + b"\n" + good + b'{"other": 1}\n')
    (tmp_path / "b.csv").write_bytes(b"slot,mint\n")
    (tmp_path / "c.json.gz").write_bytes(gzip.compress(good * 50)[:-30])
    (tmp_path / "d.json.zst").write_bytes(zstandard.ZstdCompressor().compress(good)[:-9])
    (tmp_path / "e.json").write_bytes(b"\x00\xff\x01")
    (tmp_path / "f.ndjson").write_bytes(b'{"cut": \n' + good)

    deliveries = await replay(tmp_path)

    named = complaints(deliveries)
    assert set(named) == {"a.ndjson:2", "a.ndjson:5", "b.csv", "c.json.gz", "d.json.zst", "e.json", "f.ndjson:1"}
    assert named["a.ndjson:5"] == "not a form of recording that is known"
    assert named["b.csv"] == "not a recording (a .csv file)"
    assert len(slots(deliveries)) >= 3


async def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.ndjson").write_bytes(b"")

    assert await replay(tmp_path) == []


async def test_deliveries_hold_about_500_transactions(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(recording(1_200))

    assert [len(d.transactions) for d in await replay(tmp_path)] == [BATCH, BATCH, 200]


@pytest.mark.parametrize("cut", [1, 2, 3])
async def test_a_replay_resumes_after_the_delivery_whose_state_was_kept(tmp_path: Path, cut: int) -> None:
    (tmp_path / "a.ndjson").write_bytes(recording(1_200))
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(recording(700, first=1_200)))
    (tmp_path / "c.json").write_bytes(recording(1, first=1_900))
    whole = await replay(tmp_path)

    rest = await replay(tmp_path, whole[cut - 1].state)

    assert slots(whole) == list(range(1_901))
    assert slots(whole[:cut]) + slots(rest) == slots(whole)


async def test_a_replay_that_came_to_its_end_or_of_another_path_starts_anew(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, name in ((first, "z.ndjson"), (second, "a.ndjson")):
        folder.mkdir()
        (folder / name).write_bytes(recording(700))
    whole = await replay(first)

    assert slots(await replay(first, whole[-1].state)) == slots(whole)
    assert slots(await replay(second, whole[0].state)) == slots(whole)


def test_a_recorded_simulation_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "chain.ndjson").write_bytes(recording(3))
    assert not ReplaySource(tmp_path).is_simulated
    (tmp_path / "market.ndjson.gz").write_bytes(gzip.compress(SIMULATED + recording(3)))
    assert ReplaySource(tmp_path).is_simulated


async def test_the_mark_of_a_recorded_simulation_is_no_unreadable_piece(tmp_path: Path) -> None:
    (tmp_path / "market.ndjson").write_bytes(SIMULATED + recording(3))
    deliveries = await replay(tmp_path)
    assert len(slots(deliveries)) == 3
    assert [piece for delivery in deliveries for piece in delivery.unreadable] == []


async def test_progress_counts_the_bytes_on_disk(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(recording(1_200))
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(recording(2)))
    source = ReplaySource(tmp_path)

    done = [source.bytes_done async for _ in source.stream(None)]

    assert source.bytes_total == sum(f.stat().st_size for f in tmp_path.iterdir())
    assert done == sorted(done)
    assert 0 < done[0] < done[-1] == source.bytes_total


async def test_a_paced_replay_waits_as_the_chain_did(tmp_path: Path) -> None:
    out = BytesIO()
    times = [TIME, TIME, TIME + 10, TIME + 40]
    write_recording(out, [transaction(slot=n, block_time=time) for n, time in enumerate(times)])
    (tmp_path / "a.ndjson").write_bytes(out.getvalue())
    now = [100.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    source = ReplaySource(tmp_path, speed=2, sleep=sleep, clock=lambda: now[0])
    seen = [(now[0] - 100, slots([delivery])) async for delivery in source.stream(None)]

    assert seen == [(0, [0, 1]), (5, [2]), (20, [3])]


def test_a_path_that_does_not_exist_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="does not exist"):
        ReplaySource(tmp_path / "nowhere")


@pytest.mark.parametrize("speed", [0, -1])
def test_a_speed_that_never_arrives_is_refused(tmp_path: Path, speed: float) -> None:
    with pytest.raises(StartupError, match="above 0"):
        ReplaySource(tmp_path, speed=speed)


def test_a_line_longer_than_a_piece_is_named_and_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.recordings.MAX_PIECE_BYTES", 1 << 20)
    good = recording(1)
    (tmp_path / "a.ndjson").write_bytes(good + b'"' + b"x" * (3 << 20) + b'"\n' + good)

    pieces = list(read_pieces(tmp_path / "a.ndjson"))

    assert [(p.line, p.why) for p in pieces] == [(1, None), (2, "a line of more than 1 MiB"), (3, None)]


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.ndjson", bytes), ("a.ndjson.gz", gzip.compress), ("a.ndjson.zst", zstandard.ZstdCompressor().compress)],
)
def test_a_large_file_is_never_held_whole(tmp_path: Path, name: str, pack: Any) -> None:
    random = Random(1)
    lines = b"".join(b'"%s"\n' % random.randbytes(1_000).hex().encode() for _ in range(10_000))
    (tmp_path / name).write_bytes(pack(lines))
    size = len(lines)
    del lines

    tracemalloc.start()
    count = sum(piece.why is None for piece in read_pieces(tmp_path / name))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == 10_000
    assert peak < size / 10


U64 = st.integers(0, (1 << 64) - 1)
KEYS = st.integers(1, 60).map(key)
SIGNATURES = st.binary(min_size=64, max_size=64).map(base58.encode)
HEAD = {
    "signature": SIGNATURES,
    "slot": st.integers(0, 1 << 33),
    "block_time": st.none() | st.integers(1, 1 << 33),
    "commitment": st.sampled_from(Commitment),
}


@st.composite
def whole_transactions(draw: st.DrawFn) -> Transaction:
    """Transactions as `parse` gives them: outer ones have stack height 1, every address is in the account list."""
    accounts = (*draw(st.lists(KEYS, unique=True, min_size=1, max_size=8)), PUMP_FUN)
    instructions = []
    for outer in sorted(draw(st.sets(st.integers(0, 5), max_size=4))):
        for inner in range(draw(st.integers(0, 3))):
            height = 1 if inner == 0 and draw(st.booleans()) else draw(st.none() | st.integers(2, 4))
            named = tuple(draw(st.lists(st.sampled_from(accounts), max_size=4)))
            instructions.append(Instruction(PUMP_FUN, named, draw(st.binary(max_size=40)), outer, height))
    balances = [
        TokenBalance(account, draw(KEYS), draw(KEYS), draw(U64), draw(st.integers(0, 12)))
        for account in draw(st.lists(st.sampled_from(accounts), unique=True, min_size=1, max_size=4))
    ]
    partial = draw(st.booleans())
    return Transaction(
        **{name: draw(strategy) for name, strategy in HEAD.items()},
        transaction_index=draw(st.none() | st.integers(0, 9_999)),
        failed=False,
        accounts=accounts,
        signers=draw(st.integers(1, 3)),
        instructions=tuple(i for i in instructions if not partial or i.stack_height == 1),
        logs=tuple(draw(st.lists(st.text(max_size=20), max_size=3))) if partial else (),
        post_balances=tuple(balances),
        fee=draw(st.none() | U64),
        compute_units=draw(st.none() | st.integers(0, 1_400_000)),
        is_partial=partial,
    )


@st.composite
def slight_transactions(draw: st.DrawFn) -> Transaction:
    """Failed ones, logs alone, raw events alone."""
    head = {name: draw(strategy) for name, strategy in HEAD.items()}
    logs = tuple(draw(st.lists(st.text(max_size=20), max_size=3)))
    events = ((PUMP_FUN, draw(st.binary(max_size=60))),)
    return draw(
        st.sampled_from(
            [
                Transaction(**head, transaction_index=4, failed=True, fee=5_000, signers=2),
                Transaction(**head, transaction_index=None, failed=False, logs=logs, is_partial=True),
                Transaction(**head, transaction_index=None, failed=True, is_partial=True),
                Transaction(**head, transaction_index=None, failed=False, events=events, is_partial=True),
            ]
        )
    )


@given(st.lists(whole_transactions() | slight_transactions(), max_size=3))
def test_what_is_written_reads_back_equal(transactions: list[Transaction]) -> None:
    out = BytesIO()
    write_recording(out, transactions)

    lines = out.getvalue().splitlines()

    parsed = [parse(line) for line in lines]
    assert [p.unreadable for p in parsed] == [()] * len(lines)
    assert [t for p in parsed for t in p.transactions] == transactions


def test_rates_are_recorded_and_read_back() -> None:
    out = BytesIO()
    rate = Rate(WSOL, TIME, "187.25")

    write_recording(out, [], [rate])

    assert parse(out.getvalue()).rates == (rate,)


def test_instructions_of_other_programs_are_left_out_and_change_no_event() -> None:
    """What a source hands over with everything in it, decodes the same after recording."""
    router = Instruction(key(70), (key(1),), b"route", 0, 1)
    bought = list(pump_buy(pump_trade()))
    whole = transaction(
        router,
        Instruction(bought[0].program, bought[0].accounts, bought[0].data, 0, 2),
        bought[1],
        call(PUMP, "sell", outer=2),
        self_cpi(PUMP, pump_trade(is_buy=False), outer=2),
        logs=pump_log(pump_trade()),
        post_balances=(balance(MINT, account=key(1)),),
    )
    out = BytesIO()
    write_recording(out, [whole])

    (read,) = parse(out.getvalue()).transactions

    assert decode(read).events == decode(whole).events
    assert [i.program for i in read.instructions] == [PUMP_FUN] * 4


def test_logs_alone_are_recorded() -> None:
    out = BytesIO()
    source = from_logs(*pump_log(pump_trade()), signature=SIGNATURE)

    write_recording(out, [source])

    assert parse(out.getvalue()).transactions == (source,)


@needs_recordings()
async def test_the_whole_folder_of_recordings_is_replayed_and_the_rest_is_named() -> None:
    deliveries = await replay(DATA)

    read = {t.signature for d in deliveries for t in d.transactions}
    unread = complaints(deliveries)
    assert len(read) == len(names("transactions")) + len(names("logs")) + len(names("events")) - 3
    assert [name for name in unread if name.startswith(("transactions/", "logs/"))] == []
    assert {n: w[:17] for n, w in unread.items() if n.startswith("events/")} == {
        "events/create-buy-sell-3X3mQJn8.json": "invalid signature",
        "events/createpool-20260820-i1ttRbEp.json": "invalid signature",
        "events/dbc-devnet-usdc-5P4AtsiW.json": "invalid signature",
    }
    assert {name.split("/")[0] for name in unread} >= {"README.md", "manifest.json", "golden", "idl", "external"}


@needs_recordings()
@pytest.mark.parametrize("name", names("transactions"))
def test_a_recording_of_a_recording_is_the_same(name: str) -> None:
    (source,) = parse(raw("transactions", name)).transactions
    out = BytesIO()

    write_recording(out, [source])

    assert parse(out.getvalue()).transactions == (source,)
