"""Writes what a source hands over to a file that `replay:` reads."""

import gzip
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Final, cast

import zstandard

from app.errors import StartupError
from indexer.recordings import SIMULATED, write_recording
from indexer.sources import Source

_EVERY_SECONDS: Final = 2.0


async def record(source: Source, path: Path, say: Callable[[str], None]) -> None:
    """Records until the source ends or this is cancelled; NDJSON, compressed as the name says (.gz, .zst).

    Raises StartupError when the file exists or cannot be made: a recording is never overwritten.
    """
    written, told = 0, time.monotonic()
    with _create(path) as out:
        if source.is_simulated:
            out.write(SIMULATED)
        async for delivery in source.stream(None):
            write_recording(out, delivery.transactions, delivery.rates)
            written += len(delivery.transactions)
            if time.monotonic() - told > _EVERY_SECONDS:
                told = time.monotonic()
                say(f"{written:,} transactions written to {path}")
    say(f"{written:,} transactions written to {path}")


def _create(path: Path) -> AbstractContextManager[IO[bytes]]:
    try:
        file = path.open("xb")
    except FileExistsError:
        raise StartupError(f"{path} exists: name another file, or remove it first.") from None
    except OSError as error:
        raise StartupError(f"{path} cannot be written: {error.strerror}.") from error
    if path.suffix == ".gz":
        file.close()
        return cast(AbstractContextManager[IO[bytes]], gzip.open(path, "wb"))
    if path.suffix == ".zst":
        return zstandard.ZstdCompressor().stream_writer(file)
    return file
