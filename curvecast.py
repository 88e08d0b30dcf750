"""The command line: the one file that wires `app` and `indexer` together.

Heavy imports stay inside the commands that need them, so that `--help` and mistakes answer at once.
"""

import argparse
import asyncio
import dataclasses
import functools
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from app.errors import CurvecastError, StartupError
from app.logs import set_up
from app.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from app.bus.feed import Bus
    from app.domain.slots import SlotRange
    from indexer.sources import Source

Command = Callable[[argparse.Namespace, Settings], Coroutine[Any, Any, int]]
_GC_THRESHOLD = 50_000
"""Batches of many small objects make Python's default of 700 collect thousands of times a second for nothing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code. What cannot start says why in one line, without a traceback."""
    options = _parser().parse_args(argv)
    gc.set_threshold(_GC_THRESHOLD, 20, 50)
    set_up()
    try:
        settings = _with_options(Settings.from_env(), options)
        command: Command = options.command
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(command(options, settings))
    except CurvecastError as error:
        print(f"curvecast: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


# ---------------------------------------------------------------- commands


async def up(options: argparse.Namespace, settings: Settings) -> int:
    """Everything in one process: database, indexer, API."""
    from app.transport.listener import listen

    sources = _sources(options, settings)
    listener = listen(settings)
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        engine = await _migrated_engine(stack, settings)
        bus = await _bus(stack, settings)
        server = _server(settings, engine, bus)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        indexing = asyncio.create_task(_index(settings, engine, sources, bus, once=False))
        _print_welcome(settings, sources)
        stopped = asyncio.create_task(_stop_signal())
        await asyncio.wait({serving, indexing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await asyncio.wait({serving})
        return await _ended(indexing, serving)


async def serve(options: argparse.Namespace, settings: Settings) -> int:
    """The API alone; any number of them may share one database and one Redis."""
    from app.transport.listener import listen, serve_with_workers

    if settings.is_embedded or str(settings.redis_url).startswith("memory:"):
        raise StartupError(
            "`serve` shares a database and a Redis with `index`: set CURVECAST_DATABASE_URL and CURVECAST_REDIS_URL, "
            "or run `curvecast up`, which is everything in one process."
        )
    listener = listen(settings)
    async with AsyncExitStack() as stack:
        engine = await _current_engine(stack, settings)
        bus = await _bus(stack, settings)
        _say(f"API at {_address(settings)}/graphql")
        if options.workers == 1:
            server = _server(settings, engine, bus)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            stopped = asyncio.create_task(_stop_signal())
            await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
            return 0
    # Database and Redis can be reached: each worker now opens its own connections.
    serve_with_workers(settings, listener, options.workers)
    return 0


async def index(options: argparse.Namespace, settings: Settings) -> int:
    """The indexer alone."""
    sources = _sources(options, settings)
    async with AsyncExitStack() as stack:
        engine = await _migrated_engine(stack, settings)
        bus = await _bus(stack, settings)
        indexing = asyncio.create_task(_index(settings, engine, sources, bus, once=options.once))
        stopped = asyncio.create_task(_stop_signal())
        await asyncio.wait({indexing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return await _ended(indexing)


async def migrate(options: argparse.Namespace, settings: Settings) -> int:
    """The database to its newest migration; or, for developers, a check or a new migration."""
    from app.store import migrate as store
    from app.store.engine import open_url

    if options.check:
        return await asyncio.to_thread(store.main)
    async with open_url(settings) as url:
        await store.upgrade(url, _say)
    _say("The database is at the newest migration.")
    return 0


async def schema(options: argparse.Namespace, settings: Settings) -> int:
    """The SDL, or whether a file holds the same."""
    from app.schema import sdl

    if options.check is None:
        print(sdl(), end="")
        return 0
    if options.check.read_text(encoding="utf-8") == sdl():
        return 0
    raise StartupError(f"{options.check} differs from the code: look at the change, then run `make schema`.")


async def status(options: argparse.Namespace, settings: Settings) -> int:
    """The `Status` of a running server; or whether the candles in the database are what their trades make."""
    from app.transport.remote import read_status

    if options.candles:
        return await _compare_candles(settings)

    report = await asyncio.to_thread(read_status, options.url or f"{_address(settings)}/graphql")
    print(report.text)
    return 0 if report.is_ok else 1


async def record(options: argparse.Namespace, settings: Settings) -> int:
    """What a source hands over, written as a recording that `replay:` reads."""
    from indexer.sources.recorder import record as write

    sources = _sources(options, settings)
    if len(sources) > 1:
        raise StartupError("a recording is made of one source: name one.")
    writing = asyncio.create_task(write(sources[0], options.out, _say))
    stopped = asyncio.create_task(_stop_signal())
    await asyncio.wait({writing, stopped}, return_when=asyncio.FIRST_COMPLETED)
    return await _ended(writing)


async def backfill(options: argparse.Namespace, settings: Settings) -> int:
    """A range of slots, read from the nodes of CURVECAST_RPC_URLS."""
    from indexer.backfilling import backfill as fill
    from indexer.progress import Bar

    slots = _slots(options.from_slot, options.to_slot)
    bar = Bar(sys.stderr, "slots")
    async with AsyncExitStack() as stack:
        engine = await _migrated_engine(stack, settings)
        bus = await _bus(stack, settings)
        filling = asyncio.create_task(fill(settings, engine, bus, slots, bar.show))
        stopped = asyncio.create_task(_stop_signal())
        await asyncio.wait({filling, stopped}, return_when=asyncio.FIRST_COMPLETED)
        code = await _ended(filling)
        bar.end()
        left = [] if filling.cancelled() else filling.result()
    for gap in left:
        _say(f"slots {gap.slots.first} to {gap.slots.last} are still missing: {gap.why}")
    return code or int(bool(left))


async def verify(options: argparse.Namespace, settings: Settings) -> int:
    """Whether the store has what the chain has."""
    from indexer.progress import Bar
    from indexer.rpc.node import Node
    from indexer.rpc.pool import Pool
    from indexer.verify import sample
    from indexer.verify import verify as compare

    async with AsyncExitStack() as stack:
        engine = await _current_engine(stack, settings)
        slots = await _stored_slots(engine, options.from_slot, options.to_slot)
        node = Node(await stack.enter_async_context(Pool(str(settings.rpc_urls))))
        ranges = sample(slots, None if options.all else options.sample, options.seed)
        total = sum(each.last - each.first + 1 for each in ranges)
        bar = Bar(sys.stderr, "slots")
        verdict = await compare(engine, node, ranges, lambda verdict: bar.show(verdict.slots, total))
        bar.end()
    print(verdict.text)
    return 0 if verdict.is_perfect else 1


async def node(options: argparse.Namespace, settings: Settings) -> int:
    """A made-up or recorded chain behind the interfaces of a Solana node, for development and tests."""
    try:
        from node.local import LocalOptions, serve_local
    except ModuleNotFoundError as error:
        raise StartupError(f"this installation has no local chain: the module {error.name} is not in it.") from error
    given = {each.name: getattr(options, each.name) for each in dataclasses.fields(LocalOptions)}
    async with serve_local(LocalOptions(**{k: v for k, v in given.items() if v is not None})) as local:
        for line in local.addresses:
            _say(line)
        _say(f"{options.recording or 'SIMULATED data, a made-up market'}. Ctrl-C stops it.")
        stopped = asyncio.create_task(_stop_signal())
        await asyncio.wait({local.moving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return await _ended(local.moving)


# ---------------------------------------------------------------- parts of commands


def _sources(options: argparse.Namespace, settings: Settings) -> "list[Source]":
    from indexer.sources.selection import SourceOptions, open_sources

    given = {each.name: getattr(options, each.name, None) for each in dataclasses.fields(SourceOptions)}
    return open_sources(settings.source, SourceOptions(**{k: v for k, v in given.items() if v is not None}), settings)


async def _migrated_engine(stack: AsyncExitStack, settings: Settings) -> "AsyncEngine":
    from app.store.engine import create_engine, open_url
    from app.store.migrate import upgrade

    url = await stack.enter_async_context(open_url(settings))
    await upgrade(url, _say)
    engine = create_engine(url, settings)
    stack.push_async_callback(engine.dispose)
    return engine


async def _current_engine(stack: AsyncExitStack, settings: Settings) -> "AsyncEngine":
    from app.store.engine import open_engine
    from app.store.migrate import needs_upgrade

    engine = await stack.enter_async_context(open_engine(settings))
    if await needs_upgrade(engine):
        raise StartupError("the database is not at this version's newest migration: run `curvecast migrate` first.")
    return engine


async def _bus(stack: AsyncExitStack, settings: Settings) -> "Bus":
    from app.bus.feed import Bus

    bus = Bus(str(settings.redis_url), settings.bus_max_batches)
    await bus.connect()
    stack.push_async_callback(bus.disconnect)
    return bus


async def _index(settings: Settings, engine: "AsyncEngine", sources: "list[Source]", bus: "Bus", *, once: bool) -> None:
    from indexer.progress import Progress
    from indexer.run import run_indexer
    from indexer.sources.selection import LIVE

    progress = Progress(sources[0], sys.stderr)
    run = functools.partial(run_indexer, settings, engine, sources, bus, once=once, on_progress=progress.show)
    if any(each.name in LIVE for each in sources):
        from indexer.beside import open_beside

        async with open_beside(settings, engine, sources) as (beside, works):
            await run(beside=beside, works=works)
    else:
        await run()
    progress.end()


def _server(settings: Settings, engine: "AsyncEngine", bus: "Bus") -> Any:
    import uvicorn

    from app.application import create_app
    from app.transport.listener import Server
    from app.transport.server import server_options

    app = create_app(settings, engine=engine, bus=bus)
    return Server(uvicorn.Config(app, log_level="warning", **server_options(settings)))


async def _stop_signal() -> None:
    """Returns on SIGINT or SIGTERM; a second one ends the process at once."""
    stopped = asyncio.Event()

    def stop() -> None:
        if stopped.is_set():
            os._exit(130)
        stopped.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop)
    await stopped.wait()


async def _ended(*tasks: "asyncio.Task[Any]") -> int:
    """Cancels what still runs, waits for all, and passes on the first error."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
    return 0


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


async def _compare_candles(settings: Settings) -> int:
    from app.store.crosscheck import compare_candles
    from app.store.engine import open_engine

    if settings.is_embedded:
        raise StartupError("the embedded database has no TimescaleDB, whose aggregates candles are compared with.")
    async with open_engine(settings) as engine:
        found = await compare_candles(engine)
    for each in found:
        print(
            f"{each.width}  {each.compared:,} candles since {each.since:%Y-%m-%d} compared, {each.differing:,} differ"
        )
    return 1 if any(each.differing for each in found) else 0


def _slots(first: int, last: int) -> "SlotRange":
    from app.domain.slots import SlotRange

    if first > last:
        raise StartupError(f"--from-slot {first} is after --to-slot {last}: exchange them.")
    return SlotRange(first, last)


async def _stored_slots(engine: "AsyncEngine", first: int | None, last: int | None) -> "SlotRange":
    """The given range, or what is stored and final of it."""
    from app.store.feed import read_first_point, read_head

    head, oldest = await read_head(engine), await read_first_point(engine)
    if head is None or oldest is None:
        raise StartupError("nothing is stored yet: there is nothing to verify.")
    newest = head.finalized.slot if head.finalized else head.point.slot
    return _slots(oldest.slot if first is None else first, newest if last is None else last)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print_welcome(settings: Settings, sources: "list[Source]") -> None:
    is_simulated = any(each.is_simulated for each in sources)
    names = ", ".join(each.name for each in sources)
    what = "SIMULATED data, a made-up market" if is_simulated else f"source {names}"
    _say(f"GraphiQL   {_address(settings)}/graphql   ({what})")
    _say("Ctrl-C stops everything.")


# ---------------------------------------------------------------- options


def _with_options(settings: Settings, options: argparse.Namespace) -> Settings:
    """The settings, overridden by what the command line gives under the same name."""
    names = {each.name for each in dataclasses.fields(Settings)}
    given = {name: value for name, value in vars(options).items() if name in names and value is not None}
    return dataclasses.replace(settings, **given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="curvecast",
        description="GraphQL queries and live subscriptions for tokens launched on Solana.",
        epilog="Settings come from the environment (CURVECAST_*) and .env; .env.example lists them all.",
    )
    parser.add_argument("--version", action="version", version=f"curvecast {version('curvecast')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = _add(commands, "up", up, "everything in one process: database, indexer, API")
    _add_source(command)
    _add_address(command)

    command = _add(commands, "serve", serve, "the API alone, beside others over one database and one Redis")
    _add_address(command)
    command.add_argument("--workers", type=_positive, default=1, help="processes that share the port (1)")

    command = _add(commands, "index", index, "the indexer alone; one writes, more wait to take over")
    _add_source(command)
    command.add_argument("--once", action="store_true", help="end when the source is exhausted")

    command = _add(commands, "replay", index, "index recordings: short for `index --source replay:PATH`")
    command.add_argument("source", metavar="PATH", type=lambda path: f"replay:{path}", help="a recording or a folder")
    command.add_argument("--speed", type=float, help="times real time, as 1 or 20; as fast as possible unless given")
    command.add_argument("--once", action="store_true", help="end after the last recording")

    command = _add(commands, "migrate", migrate, "bring the database to the newest migration")
    command.add_argument("--check", action="store_true", help="only tell whether migrations and tables differ")

    command = _add(commands, "schema", schema, "print the GraphQL schema")
    command.add_argument("--check", type=Path, metavar="FILE", help="compare with a file instead")

    command = _add(commands, "status", status, "print how a running server is")
    command.add_argument("--url", help="its GraphQL address; this machine's unless given")
    candles = "instead, compare candles with TimescaleDB's aggregates, in CURVECAST_DATABASE_URL"
    command.add_argument("--candles", action="store_true", help=candles)

    command = _add(commands, "backfill", backfill, "fill a range of slots from CURVECAST_RPC_URLS; run again to go on")
    command.add_argument("--from-slot", type=_positive, required=True, metavar="SLOT", help="first slot")
    command.add_argument("--to-slot", type=_positive, required=True, metavar="SLOT", help="last slot")

    command = _add(commands, "verify", verify, "read final blocks again and compare them with what is stored")
    command.add_argument("--from-slot", type=_positive, metavar="SLOT", help="first slot; the oldest stored one")
    command.add_argument("--to-slot", type=_positive, metavar="SLOT", help="last slot; the newest final one")
    command.add_argument("--sample", type=_positive, default=200, metavar="SLOTS", help="slots drawn at random (200)")
    command.add_argument("--all", action="store_true", help="every slot of the range")
    command.add_argument("--seed", type=int, default=1, help="the same seed draws the same slots (1)")

    command = _add(commands, "node", node, "serve a local chain as a Solana node does: JSON-RPC, WebSocket, gRPC")
    command.add_argument("--recording", type=Path, metavar="PATH", help="a recording or folder; else a made-up market")
    command.add_argument("--rate", type=float, help="made-up market: trades a second (40)")
    command.add_argument("--tokens", type=_positive, help="made-up market: tokens that trade at once (50)")
    command.add_argument("--seed", type=int, help="the same seed gives the same market, skips and forks (1)")
    command.add_argument("--speed", type=float, help="times mainnet's 2.5 slots a second (1)")
    command.add_argument("--failed", type=float, metavar="SHARE", help="of transactions that fail (0.3; mainnet 0.76)")
    command.add_argument("--skipped", type=float, metavar="SHARE", help="of slots without a block (0.03)")
    command.add_argument(
        "--fork-every", type=_positive, metavar="SLOTS", help="replace the last 1 to 5 blocks so often"
    )
    command.add_argument("--prepare", type=float, metavar="SECONDS", help="of the chain that are made before it starts")
    command.add_argument("--keep", type=_positive, metavar="MEGABYTES", help="of blocks that are remembered (128)")
    command.add_argument("--host", help="address to listen on (127.0.0.1)")
    command.add_argument("--port", type=_positive, help="of JSON-RPC and WebSocket (8899)")
    command.add_argument("--geyser-port", type=_positive, metavar="PORT", help="also Yellowstone gRPC, on this port")

    command = _add(commands, "record", record, "write what a source hands over as a recording")
    _add_source(command)
    command.add_argument("out", type=Path, metavar="OUT", help="file to write: .ndjson, or .ndjson.gz, .ndjson.zst")
    return parser


def _add(commands: Any, name: str, command: Command, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(command=command)
    return parser


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        help="simulate (a made-up market), replay:PATH, rpc, logs or geyser; live ones also together, as geyser,rpc",
    )
    parser.add_argument("--rate", type=float, help="simulate: trades a second (40), at most 50000")
    parser.add_argument("--tokens", type=_positive, help="simulate: tokens that trade at once (200)")
    parser.add_argument("--seed", type=int, help="simulate: the same seed gives the same market (1)")
    parser.add_argument("--count", type=_positive, help="simulate: end after so many trades")
    parser.add_argument("--speed", type=float, help="replay: times real time; as fast as possible unless given")


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=_positive, help="port to listen on (8000)")


def _positive(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return value


if __name__ == "__main__":
    sys.exit(main())
