"""`curvecast node` as people start it."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from recorded import DATA
from running import START_SECONDS, Running, free_port, start
from servers import open_folder

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def home() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


async def newest(node: Running, port: int) -> int:
    """The newest slot, once the node answers."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "getSlot", "params": [{"commitment": "processed"}]}
    async with asyncio.timeout(START_SECONDS), httpx.AsyncClient() as client:
        while True:
            assert node.process.returncode is None, node.said
            try:
                return int((await client.post(f"http://127.0.0.1:{port}", json=body)).json()["result"])
            except httpx.TransportError:
                await asyncio.sleep(0.02)


async def test_a_made_up_chain_moves_until_it_is_stopped(home: Path) -> None:
    port, geyser_port = free_port(), free_port()
    options = ("--speed", "40", "--fork-every", "10", "--port", str(port), "--geyser-port", str(geyser_port))
    node = await start("node", *options, "--prepare", "4", "--keep", "8", folder=home)
    first = await newest(node, port)
    async with asyncio.timeout(START_SECONDS):
        while await newest(node, port) < first + 20:
            await asyncio.sleep(0.05)
    assert await node.stop(signal.SIGINT) == 0
    assert f"ws://127.0.0.1:{port}" in node.said
    assert f"gRPC       http://127.0.0.1:{geyser_port}" in node.said
    assert "SIMULATED" in node.said


async def test_a_recording_is_laid_out_as_blocks(home: Path) -> None:
    folder = DATA / "transactions"
    if not folder.is_dir():
        pytest.skip("no recordings beside this checkout")
    port = free_port()
    node = await start("node", "--recording", str(folder), "--failed", "0", "--port", str(port), folder=home)
    await newest(node, port)
    signature = json.loads((folder / "fnG6AdqJEFYu.json").read_text())
    signature = signature.get("result", signature)["transaction"]["signatures"][0]
    params = [signature, {"maxSupportedTransactionVersion": 1, "commitment": "confirmed"}]
    async with httpx.AsyncClient() as client:
        body = {"jsonrpc": "2.0", "id": 1, "method": "getTransaction", "params": params}
        found = (await client.post(f"http://127.0.0.1:{port}", json=body)).json()["result"]
    assert found["transaction"]["signatures"] == [signature]
    assert await node.stop() == 0


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--recording", "nowhere.json"), "there is no recording nowhere.json"),
        (("--failed", "1"), "--failed must be at least 0 and below 1"),
        (("--speed", "0"), "--speed must be above 0"),
        (("--prepare", "-1"), "--prepare must be at least 0"),
        (("--rate", "-1"), "--rate must be above 0"),
    ],
)
async def test_what_cannot_be_served_is_one_clear_line(home: Path, options: tuple[str, ...], why: str) -> None:
    node = await start("node", *options, "--port", str(free_port()), folder=home)
    async with asyncio.timeout(START_SECONDS):
        assert await node.process.wait() == 1
    assert node.said.startswith(f"curvecast: {why}")
    assert len(node.said.splitlines()) == 1


def test_an_installation_without_the_node_says_so_in_one_line() -> None:
    absent = "import sys; sys.path[:] = [path for path in sys.path if not path.endswith('tests')]"
    without = f"{absent}; import curvecast; sys.exit(curvecast.main(['node']))"
    ended = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 1
    assert ended.stderr == "curvecast: this installation has no local chain: the module node is not in it.\n"


async def test_a_port_that_is_taken_is_one_clear_line(home: Path) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        node = await start("node", "--port", str(port), folder=home)
        async with asyncio.timeout(START_SECONDS):
            assert await node.process.wait() == 1
    assert f"127.0.0.1:{port} cannot be opened" in node.said
    assert "name another --port" in node.said
