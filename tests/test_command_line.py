"""The command as a user starts, stops, breaks and restarts it: real processes, real servers."""

import asyncio
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from running import START_SECONDS, Running, free_port, running_market, start
from servers import RedisServer, open_folder

COMMANDS = ("up", "serve", "index", "replay", "migrate", "schema", "status", "record", "node")
WORLD = """{
  tokens(first: 200, orderBy: [{field: CREATED_AT}]) {
    nodes { mintAddress stats(window: H24) { tradeCount volumeSol } topHolders(limit: 5) { address balance } }
  }
  trades(first: 200) { nodes { id cursor priceExact } }
  graduations(first: 50) { nodes { id } }
}"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the database server's own user may enter when the tests run as root."""
    with open_folder() as folder:
        yield folder


async def said(*arguments: str, folder: Path, port: int | None = None, **settings: str) -> tuple[int, str]:
    """Exit code and output of a command that ends by itself."""
    command = await start(*arguments, folder=folder, port=port, **settings)
    async with asyncio.timeout(START_SECONDS):
        await command.process.wait()
    assert command.process.returncode is not None
    return command.process.returncode, command.said


def servers_under(folder: Path) -> list[psutil.Process]:
    """Postgres processes over a data folder."""
    return [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if "postgres" in (process.info["name"] or "") and str(folder) in " ".join(process.info["cmdline"] or [])
    ]


async def gone(folder: Path) -> None:
    async with asyncio.timeout(START_SECONDS):
        while servers_under(folder):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("command", COMMANDS)
async def test_every_command_explains_itself(command: str, home: Path) -> None:
    code, text = await said(command, "--help", folder=home)
    assert code == 0
    assert f"usage: curvecast {command}" in text


async def test_a_busy_port_is_one_clear_line(home: Path) -> None:
    port = free_port()
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port)
    async with server:
        code, text = await said("up", folder=home, port=port)
    assert code == 1
    assert text.strip().splitlines() == [
        f"curvecast: 127.0.0.1:{port} is in use: stop what listens there, or set CURVECAST_PORT to another port."
    ]


async def test_an_unreachable_database_is_one_clear_line_without_the_password(home: Path) -> None:
    url = f"postgresql://me:hidden@127.0.0.1:{free_port()}/market"
    code, text = await said("migrate", folder=home, database_url=url)
    assert code == 1
    assert len(text.strip().splitlines()) == 1
    assert "no database at 127.0.0.1:" in text
    assert "hidden" not in text


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["up", "--source", "nonsense"], "name one of simulate, replay:PATH"),
        (["replay", "not-there"], "not-there does not exist"),
        (["up", "--rate", "60000"], "at most 50000"),
        (["up", "--source", "simulate", "--speed", "2"], "no option --speed"),
        (["replay", ".", "--speed", "nan"], "must be a number above 0"),
        (["serve"], "set CURVECAST_DATABASE_URL and CURVECAST_REDIS_URL"),
        (["status", "--url", "http://127.0.0.1:9/graphql"], "no Curvecast answers"),
    ],
)
async def test_a_mistake_is_one_clear_line(arguments: list[str], part: str, home: Path) -> None:
    code, text = await said(*arguments, folder=home)
    assert code == 1
    assert part in text
    assert len(text.strip().splitlines()) == 1


async def test_the_market_says_where_it_is_and_stops_cleanly_on_ctrl_c(home: Path) -> None:
    async with running_market(home) as market:
        assert f"{market.url}   (SIMULATED data" in market.said
        code, text = await said("status", folder=home, port=market.port)
        assert code == 0
        assert "SIMULATED" in text
        assert await market.stop(signal.SIGINT) == 0
        assert "Traceback" not in market.said
    assert servers_under(home) == []


async def test_a_second_market_over_the_same_data_folder_is_refused(home: Path) -> None:
    async with running_market(home):
        code, text = await said("up", folder=home)
    assert code == 1
    assert "is in use by another Curvecast" in text
    assert len(text.strip().splitlines()) == 1


async def test_a_killed_market_leaves_no_postgres_behind_and_the_next_start_has_all_it_had(home: Path) -> None:
    async with running_market(home) as market:
        before = await known(market)
        market.process.kill()
        await market.process.wait()
        await gone(home)
    async with running_market(home) as market:
        answer = await market.query("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": before})
    assert answer["nodes"] == [{"id": each} for each in before]


async def known(market: Running) -> list[str]:
    data = await market.query("{ trades(first: 100) { nodes { id } } }")
    return [node["id"] for node in data["trades"]["nodes"]]  # type: ignore[index]


async def test_an_indexer_and_two_apis_share_one_database_and_one_redis(
    home: Path, database_url: str, redis_server: RedisServer
) -> None:
    async def process(*arguments: str) -> Running:
        return await start(*arguments, folder=home, database_url=database_url, redis_url=redis_server.url)

    market = ("--source", "simulate", "--rate", "500", "--tokens", "20", "--count", "2000")
    indexer = await process("index", *market, "--once")
    apis = [await process("serve"), await process("serve")]
    try:
        await asyncio.gather(*(api.ready() for api in apis))
        async with asyncio.timeout(START_SECONDS):
            assert await indexer.process.wait() == 0, indexer.said
        first, second = [await api.query(WORLD) for api in apis]
        assert first == second
        assert trades_of(first) >= 2000
    finally:
        codes = [await each.stop() for each in apis]
    assert codes == [0, 0]


def trades_of(world: dict[str, Any]) -> int:
    return sum(node["stats"]["tradeCount"] for node in world["tokens"]["nodes"])


async def test_an_api_over_a_database_without_tables_says_what_to_do(
    home: Path, empty_database_url: str, redis_server: RedisServer
) -> None:
    code, text = await said("serve", folder=home, database_url=empty_database_url, redis_url=redis_server.url)
    assert code == 1
    assert "run `curvecast migrate` first" in text


async def test_a_recording_of_a_market_replays_to_its_trades(home: Path) -> None:
    recording = home / "market.ndjson.zst"
    assert (await said("record", "--source", "simulate", "--count", "300", str(recording), folder=home))[0] == 0
    code, text = await said("replay", str(recording), "--once", folder=home)
    assert code == 0, text
    assert " 0 dead letters, 0 pieces unreadable." in text
    stored = re.search(r"([\d,]+) events stored", text)
    assert stored is not None
    assert int(stored[1].replace(",", "")) > 300


async def test_a_recording_is_never_overwritten(home: Path) -> None:
    recording = home / "kept.ndjson"
    recording.write_bytes(b"mine\n")
    code, text = await said("record", "--source", "simulate", "--count", "10", str(recording), folder=home)
    assert code == 1
    assert "exists" in text
    assert recording.read_bytes() == b"mine\n"


async def test_candles_cannot_be_compared_where_there_is_no_timescale(tmp_path: Path) -> None:
    code, text = await said("status", "--candles", folder=tmp_path)
    assert (code, text.count("\n")) == (1, 1)
    assert "TimescaleDB" in text
