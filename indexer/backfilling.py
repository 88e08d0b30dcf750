"""A range of slots filled by hand: noted as a gap, and filled by this process or by the indexer that runs already."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.slots import Gap, OpenGap, SlotRange, without
from app.settings import Settings
from app.store.gaps import open_gap, open_gaps
from indexer.announcing import Announcer
from indexer.rpc.pool import Pool
from indexer.run import run_indexer
from indexer.sources.backfill import BackfillSource

_LOOK_SECONDS: Final = 0.5


async def backfill(
    settings: Settings,
    engine: AsyncEngine,
    announcer: Announcer,
    slots: SlotRange,
    on_progress: Callable[[int, int], None],
) -> list[OpenGap]:
    """Fills the range and returns what could not be filled, with the reasons: run it again to go on.

    `on_progress` is told slots that are filled and all slots. While another indexer writes to the database this one
    waits behind it and fills what it leaves. Raises SourceLost when no node serves.
    """

    async def missing() -> list[OpenGap]:
        return _inside(await open_gaps(engine), slots)

    await open_gap(engine, Gap(slots, "asked for by hand"), "by hand")
    source = BackfillSource(Pool(str(settings.rpc_urls)), missing, until_filled=True)
    filling = asyncio.create_task(run_indexer(settings, engine, source, announcer, once=True))
    try:
        while left := await missing():
            on_progress(_size([slots]) - _size([each.slots for each in left]), _size([slots]))
            if filling.done():
                break
            await asyncio.wait({filling}, timeout=_LOOK_SECONDS)
        on_progress(_size([slots]) - _size([each.slots for each in left]), _size([slots]))
        if filling.done():
            await filling  # raises what it raised
        return left
    finally:
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)


def _inside(gaps: Sequence[OpenGap], slots: SlotRange) -> list[OpenGap]:
    """The parts of gaps that lie in the range."""
    before, after = SlotRange(0, slots.first - 1), SlotRange(slots.last + 1, 1 << 62)
    return [
        OpenGap(part, gap.why, gap.since, gap.source) for gap in gaps for part in without([gap.slots], [before, after])
    ]


def _size(ranges: Sequence[SlotRange]) -> int:
    return sum(each.last - each.first + 1 for each in ranges)
