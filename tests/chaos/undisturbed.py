"""The same chain indexed in one go, by a process that nothing happens to: what every disturbed one must end with."""

from collections.abc import AsyncIterator

from app.domain.programs import Commitment
from app.domain.records import Batch
from app.settings import Settings
from app.store.engine import create_engine
from app.store.migrate import upgrade
from indexer.parse import parse
from indexer.run import run_indexer
from indexer.sources import Delivery
from node.chain import Chain


class ChainSource:
    """Blocks straight from the chain, without a node, a network or a checkpoint between them."""

    name = "rpc"
    is_simulated = False

    def __init__(self, chain: Chain, first: int, last: int) -> None:
        self._chain, self._first, self._last = chain, first, last

    async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        """One delivery a block; ends."""
        for block in self._chain.blocks(self._first, self._last):
            read = [parse(block.transaction_json(at), Commitment.CONFIRMED) for at in range(len(block.transactions))]
            yield Delivery(transactions=tuple(each for parsed in read for each in parsed.transactions))
        yield Delivery(finalized_slot=self._last)


class _NoBus:
    async def publish(self, batch: Batch) -> None:
        pass

    async def last_sequence(self) -> int | None:
        return None


async def index_undisturbed(url: str, chain: Chain, first: int, last: int, sol_usd: str) -> None:
    """Fills an empty database with the chain's slots from `first` to `last`."""
    await upgrade(url)
    settings = Settings(sol_usd=sol_usd)
    engine = create_engine(url, settings)
    try:
        await run_indexer(settings, engine, ChainSource(chain, first, last), _NoBus(), once=True)
    finally:
        await engine.dispose()
