"""The store that Curvecast is benched over, and the load generator's events as the batches that an indexer announces.

Nothing is stored while a bench runs: what an event costs the indexer and Postgres is what `bench/ingest.py` measures. A
server asks its store now and then whether the feed has gone back, or on without it. Here the row that answers takes the
sequence from a file, into which whoever announces writes it first.
"""

import mmap
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from factories import address, launch, trade
from sqlalchemy import text

from app.bus import codec
from app.domain.events import pack_position
from app.domain.programs import Commitment, Side
from app.domain.records import Batch, ChainPoint, TokenRecord, TradeRecord
from app.settings import Settings
from app.store.engine import create_engine
from app.store.migrate import upgrade
from app.store.writer import Writer
from app.store.writer_batch import Work

_DIGITS: Final = 20
_SLOT: Final = 400_000_000


class _Event(msgspec.Struct, rename="camel"):
    """A line of `wsload.c`; a trade's price comes from its amounts."""

    mint_address: str
    signature: str
    side: str
    quote_amount: str
    token_amount: str
    block_time: datetime
    trader_address: str


async def fill(url: str, folder: Path) -> None:
    """Stores a token and a trade, and lets the head follow `folder`; what was stored there is every event's pattern."""
    settings = Settings()
    await upgrade(url)
    engine = create_engine(url, settings)
    async with Writer(engine, settings, source="bench", is_simulated=True) as writer:
        written = await writer.write(Work(events=[launch(mint=address("bench")), trade(mint=address("bench"))]))
    (folder / "batch").write_bytes(codec.encode(written.batch))
    (folder / "sequence").write_bytes(_digits(written.batch.last_sequence))
    async with engine.begin() as connection:
        others = (
            "head_slot, head_time, head_commitment, finalized_slot, finalized_time, tip_slot, complete_slot, source"
        )
        await connection.execute(text("ALTER TABLE feed RENAME TO feed_row"))
        await connection.execute(
            text(
                f"CREATE VIEW feed AS SELECT id, pg_read_file('{folder / 'sequence'}')::bigint AS last_sequence, "
                f"{others}, is_simulated FROM feed_row"
            )
        )
    await engine.dispose()


class Announcer:
    """Makes batches of lines: what comes together is one batch, as what an indexer commits together is."""

    def __init__(self, folder: Path) -> None:
        self._pattern = codec.decode((folder / "batch").read_bytes())
        self._decode = msgspec.json.Decoder(_Event).decode
        with (folder / "sequence").open("r+b") as file:
            self._stored = mmap.mmap(file.fileno(), _DIGITS)
        self._sequence = int(self._stored[:])

    def batch(self, lines: Sequence[bytes]) -> Batch:
        """Of at least one line."""
        before, point = self._sequence, self._pattern.head.point
        trades = []
        for line in lines:
            self._sequence += 1
            trades.append(self._trade(self._decode(line)))
        newest = {trade.mint: trade for trade in trades}
        point = ChainPoint(trades[-1].slot, trades[-1].block_time, Commitment.CONFIRMED)
        self._stored[:] = _digits(self._sequence)
        return Batch(
            previous_sequence=before,
            first_sequence=before + 1,
            last_sequence=self._sequence,
            trades=tuple(trades),
            tokens=tuple(self._token(mint, point) for mint in newest),
            head=msgspec.structs.replace(self._pattern.head, point=point, sequence=self._sequence),
        )

    def _trade(self, event: _Event) -> TradeRecord:
        return msgspec.structs.replace(
            self._pattern.trades[0],
            sequence=self._sequence,
            identity=self._sequence.to_bytes(16),
            position=pack_position(_SLOT + self._sequence, 0, 0),
            block_time=int(event.block_time.timestamp()),
            signature=event.signature,
            mint=event.mint_address,
            side=Side[event.side],
            trader=event.trader_address,
            base_amount=int(event.token_amount),
            quote_amount=int(event.quote_amount),
        )

    def _token(self, mint: str, point: ChainPoint) -> TokenRecord:
        return msgspec.structs.replace(
            self._pattern.tokens[0], mint=mint, as_of=point, price_at=point, last_trade_at=point.time
        )


def mints(folder: Path, count: int) -> Path:
    """A file with so many mints, one a line."""
    path = folder / f"mints-{count}"
    path.write_text("".join(f"{address(f'bench {n}')}\n" for n in range(count)))
    return path


def _digits(sequence: int) -> bytes:
    return b"%0*d" % (_DIGITS, sequence)


def open_folder(folder: Path) -> None:
    """Lets Postgres, which may run as another user, read what is in it."""
    os.chmod(folder, 0o755)
