"""Compares what is stored with what is true on the chain: lost, doubled, phantom, wrong, and what is known to miss.

Truth comes from the chain's own blocks. Candles are folded again from the trades, and every other table is held against
that of a run which nothing happened to.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
from chaos.undisturbed import index_undisturbed
from dumps import TABLES, dump

from app.domain.candles import Interval, fold
from app.domain.events import Event, Launch, Migration, Trade, unpack_position
from app.domain.programs import TradeProgram
from app.domain.records import TradeRecord
from app.settings import Settings
from app.store.engine import create_engine
from app.store.rows import to_seconds, trade_record
from app.store.trades import select_trades
from node.chain import Chain
from node.truth import truth

_NOT_COMPARED: Final = {
    "wallets",  # one that was seen only on an abandoned branch keeps its number: nothing shows it
    "checkpoints", "feed",  # where a process stands
    "token_stats",  # of some moment
    "dead_letters",  # what an abandoned branch had is not struck out
}  # fmt: skip
COMPARED: Final = tuple(table for table in TABLES if table not in _NOT_COMPARED)
_STORED: Final = (
    "SELECT identity, position FROM trades",
    "SELECT launch_identity, created_position FROM tokens WHERE launch_identity IS NOT NULL",
    "SELECT identity, position FROM graduations",
)
_SEQUENCES: Final = """
SELECT sequence FROM trades UNION ALL SELECT launch_sequence FROM tokens WHERE launch_sequence IS NOT NULL
UNION ALL SELECT completed_sequence FROM tokens WHERE completed_sequence IS NOT NULL
UNION ALL SELECT sequence FROM graduations UNION ALL SELECT sequence FROM retractions
"""
_WITHDRAWN: Final = "SELECT DISTINCT unnest(sequences) FROM retractions"
_STATED: Final = ("open", "high", "low", "close", "volume", "buy_volume", "open_usd", "high_usd", "low_usd",
                  "close_usd", "volume_usd", "buy_volume_usd", "trades", "buys", "usd_trades")  # fmt: skip


@dataclass
class Verdict:
    """What was found. The lists name the first few, for whoever looks for the cause."""

    events: int = 0
    """Trades, launches and graduations that are true."""
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    phantom: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Candles that are not the fold of their trades, rows that an undisturbed run does not have, holes in the feed."""
    gaps: list[str] = field(default_factory=list)
    """Slots that the store still knows to be missing."""

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.phantom or self.wrong or self.gaps)


async def judge(url: str, empty_url: str, chain: Chain, first: int, last: int, sol_usd: str) -> Verdict:
    """Everything about the slots `first` to `last`. The undisturbed run goes into the database of `empty_url`."""
    verdict = Verdict()
    connection = await asyncpg.connect(url)
    try:
        await _judge_events(verdict, connection, chain, first, last)
        await _judge_feed(verdict, connection)
        open_gaps = await connection.fetch("SELECT first_slot, last_slot, why FROM gaps")
        verdict.gaps = [f"{row['first_slot']}-{row['last_slot']} {row['why']}" for row in open_gaps]
    finally:
        await connection.close()
    await _judge_candles(verdict, url)
    await index_undisturbed(empty_url, chain, first, last, sol_usd)
    found, expected = await dump(url, COMPARED), await dump(empty_url, COMPARED)
    for table in COMPARED:
        verdict.wrong += _difference(table, found[table], expected[table])
    return verdict


async def _judge_events(verdict: Verdict, connection: asyncpg.Connection, chain: Chain, first: int, last: int) -> None:
    """I1 and I2, by identity and slot: an event in another slot than its block's is lost there, and a phantom here."""
    kept = Launch | Trade | Migration
    events: Iterable[Event] = (event for each in truth(chain, first=first, last=last) for event in each.events)
    true = {(event.identity, event.slot) for event in events if isinstance(event, kept)}
    rows = [row for statement in _STORED for row in await connection.fetch(statement)]
    stored = Counter((bytes(identity), unpack_position(position)[0]) for identity, position in rows)
    verdict.events = len(true)
    verdict.lost = sorted(_named(each) for each in true - stored.keys())
    verdict.phantom = sorted(_named(each) for each in stored.keys() - true)
    verdict.doubled = sorted(_named(each) for each, times in stored.items() if times > 1)


async def _judge_feed(verdict: Verdict, connection: asyncpg.Connection) -> None:
    """The feed has every number once, from 1 to the newest; what left the chain is told by a retraction."""
    given = [row[0] for row in await connection.fetch(_SEQUENCES)]
    withdrawn = {row[0] for row in await connection.fetch(_WITHDRAWN)}
    newest = await connection.fetchval("SELECT last_sequence FROM feed")
    holes = set(range(1, newest + 1)) - set(given) - withdrawn
    verdict.wrong += [f"feed: sequence {each} is of nothing" for each in sorted(holes)]
    verdict.wrong += [f"feed: sequence {each} was given {n} times" for each, n in Counter(given).items() if n > 1]


async def _judge_candles(verdict: Verdict, url: str) -> None:
    """I3: what `app.domain.candles` folds from the trades that are stored."""
    engine = create_engine(url, Settings())
    try:
        async with engine.connect() as reading:
            trades = [trade_record(row) for row in await reading.execute(select_trades())]
    finally:
        await engine.dispose()
    connection = await asyncpg.connect(url)
    try:
        for name, interval in (("1m", Interval.M1), ("1h", Interval.H1), ("1d", Interval.D1)):
            rows = await connection.fetch(f"SELECT mint, c.* FROM candles_{name} c JOIN tokens t ON t.id = token_id")
            found = {(row["mint"], row["kind"], to_seconds(row["bucket"])): row for row in rows}
            verdict.wrong += _candles_that_differ(name, found, _folded(trades, interval))
    finally:
        await connection.close()


def _folded(trades: Sequence[TradeRecord], interval: Interval) -> dict[tuple[str, int, int], object]:
    of_market: dict[tuple[str, TradeProgram], list[TradeRecord]] = {}
    for trade in trades:
        of_market.setdefault((trade.mint, trade.venue_kind), []).append(trade)
    return {
        (mint, int(kind), candle.time): candle
        for (mint, kind), held in of_market.items()
        for candle in fold(held, interval, kind)
    }


def _candles_that_differ(
    name: str, found: dict[tuple[str, int, int], asyncpg.Record], expected: dict[tuple[str, int, int], object]
) -> list[str]:
    wrong = [f"candles_{name}: {key} is on one side only" for key in found.keys() ^ expected.keys()]
    for key in found.keys() & expected.keys():
        differs = [each for each in _STATED if found[key][each] != getattr(expected[key], each)]
        wrong += [f"candles_{name}: {key} has another {', '.join(differs)}"] if differs else []
    return wrong


def _difference(table: str, found: list[str], expected: list[str]) -> list[str]:
    more, fewer = Counter(found) - Counter(expected), Counter(expected) - Counter(found)
    return [f"{table}: only here {row}" for row in more] + [f"{table}: only undisturbed {row}" for row in fewer]


def _named(event: tuple[bytes, int]) -> str:
    return f"{event[0].hex()} of slot {event[1]}"
