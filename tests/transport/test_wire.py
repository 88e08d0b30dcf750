"""What a socket does besides frames: time, fullness, TLS, and a handshake that takes its time."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from shutil import which

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from transport.echoing import Echo, Frame, close, echo_app, raw_client, sent
from transport.serving import SECONDS, served, serving
from websockets.asyncio.client import connect

from app.settings import Settings
from app.transport.frames import Broken, Event, Reader
from app.transport.wire import HIGH_WATER

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
SETTINGS = Settings()
TRY_LATER = (1013).to_bytes(2)


@pytest.fixture
def listeners() -> list[Echo]:
    return []


@pytest.fixture
async def host(listeners: list[Echo]) -> AsyncIterator[str]:
    async with served(echo_app(listeners), SETTINGS) as host:
        yield host


async def _becomes(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not is_so():
            await asyncio.sleep(0.005)


_frames = st.one_of(
    st.binary(max_size=300).map(lambda data: sent(BINARY, data)),
    st.text(max_size=100).map(lambda text: sent(TEXT, text.encode())),
    st.binary(max_size=125).map(lambda data: sent(PING, data)),
    st.text(max_size=100).map(lambda text: sent(TEXT, text.encode()[:7], fin=False) + sent(PING) + _rest(text)),
    st.tuples(st.binary(max_size=20), st.integers(0, 15), st.integers(0, 7)).map(
        lambda drawn: sent(drawn[1], drawn[0], rsv=drawn[2])
    ),
    st.binary(max_size=20),
)


def _rest(text: str) -> bytes:
    return sent(CONT, text.encode()[7:])


def _read(pieces: list[bytes]) -> list[Event | int]:
    """Events, and the code where it breaks."""
    reader = Reader(250)
    found: list[Event | int] = []
    try:
        for piece in pieces:
            found += reader.feed(piece)
    except Broken as broken:
        found.append(int(broken.code))
    return found


@given(st.lists(_frames, max_size=6).map(b"".join), st.lists(st.integers(0, 2_000), max_size=12))
def test_however_bytes_are_cut_they_are_read_as_the_same(data: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(min(each, len(data)) for each in cuts), len(data)]
    pieces = [data[first:last] for first, last in pairwise(bounds)]
    whole = _read([data])
    assert _read(pieces) == whole
    if any(isinstance(each, int) for each in whole):
        # The same code, though a reader that has more before it breaks may have told less of it.
        assert _read([data[at : at + 1] for at in range(len(data))])[-1] == whole[-1]


async def test_a_client_that_answers_pings_stays_and_one_that_does_not_is_let_go() -> None:
    async with served(echo_app(keepalive=0.5), SETTINGS) as host, connect(f"ws://{host}/") as good:
        async with raw_client(host) as deaf:
            assert await deaf.frame() == Frame(PING, b"")
            last = await deaf.frame()
            assert last is not None
            assert (last.opcode, last.payload[:2]) == (CLOSE, TRY_LATER)
        await good.send("still here")
        assert await good.recv() == "still here"


async def test_a_client_that_goes_silent_after_its_server_closed_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, host: str, listeners: list[Echo]
) -> None:
    monkeypatch.setattr("app.transport.wire._CLOSE_SECONDS", 0.1)
    async with raw_client(host) as client:
        await _becomes(lambda: bool(listeners))
        listeners[0].wire.close(4000, "go")
        assert [each.opcode for each in await client.frames()] == [CLOSE]


async def test_a_reason_is_cut_between_letters_so_that_its_frame_can_be_sent(host: str, listeners: list[Echo]) -> None:
    async with connect(f"ws://{host}/") as client:
        await _becomes(lambda: bool(listeners))
        listeners[0].wire.close(4000, "ä" * 100)
        await client.wait_closed()
    assert (client.close_code, client.close_reason) == (4000, "ä" * 61)


async def test_a_wire_that_is_full_says_so_and_again_when_there_is_room(host: str, listeners: list[Echo]) -> None:
    async with raw_client(host) as client:
        await _becomes(lambda: bool(listeners))
        wire = listeners[0].wire
        frames = 0
        while not wire.is_full:
            wire.send(sent(BINARY, b"*" * 8_192, mask=None))
            frames += 1
        assert wire.transport.get_write_buffer_size() <= 2 * HIGH_WATER
        for _ in range(frames):
            assert await client.frame() == Frame(BINARY, b"*" * 8_192)
        await _becomes(lambda: listeners[0].told == ["room"])
        assert not wire.is_full


async def test_a_wire_that_stays_full_is_closed_when_its_listener_does_not_object(
    monkeypatch: pytest.MonkeyPatch, host: str, listeners: list[Echo]
) -> None:
    monkeypatch.setattr("app.transport.wire._FULL_SECONDS", 0.1)
    monkeypatch.setattr("app.transport.wire._CLOSE_SECONDS", 0.5)
    async with raw_client(host) as client:
        await _becomes(lambda: bool(listeners))
        while not listeners[0].wire.is_full:
            listeners[0].wire.send(sent(BINARY, b"*" * 8_192, mask=None))
        await _becomes(lambda: listeners[0].told == ["stuck", "end"])
        *_, last = await client.frames()
        assert (last.opcode, last.payload[:2]) == (CLOSE, TRY_LATER)


async def test_a_client_that_asks_and_does_not_read_is_let_go_before_it_costs_memory(
    host: str, listeners: list[Echo]
) -> None:
    async with raw_client(host) as client:
        question = sent(TEXT, b"*" * 60_000)
        async with asyncio.timeout(SECONDS):
            while not listeners or "end" not in listeners[0].told:
                await client.send([question])
        assert listeners[0].wire.transport.get_write_buffer_size() < 16 * HIGH_WATER


async def test_a_client_may_go_on_asking_while_a_large_answer_is_on_its_way(host: str) -> None:
    async with raw_client(host) as client:
        large = b"*" * 2_000_000
        await client.send([sent(BINARY, large), sent(TEXT, b"next")])
        assert [await client.frame() for _ in range(2)] == [Frame(BINARY, large), Frame(TEXT, b"next")]


async def test_what_a_client_sends_while_the_handshake_is_handed_over_is_not_lost(listeners: list[Echo]) -> None:
    async with served(_slowly(echo_app(listeners)), SETTINGS) as host, raw_client(host) as client:
        await client.send([sent(TEXT, b"early")])
        assert await client.frame() == Frame(TEXT, b"early")


def _slowly(app: ASGIApp) -> ASGIApp:
    """A middleware that waits after the acceptance."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def late(message: Message) -> None:
            await send(message)
            if message["type"] == "websocket.accept":
                await asyncio.sleep(0.05)

        await app(scope, receive, late)

    return wrapped


REQUEST = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
REFUSED = {
    "another path": ("GET", "/elsewhere", {}, 403),
    "another method": ("POST", "/", {}, 400),
    "no key": ("GET", "/", {"Sec-WebSocket-Key": ""}, 400),
    "a key that is none": ("GET", "/", {"Sec-WebSocket-Key": "short"}, 400),
    "another version": ("GET", "/", {"Sec-WebSocket-Version": "8"}, 426),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_opening_of_ours_is_refused_over_http(host: str, name: str) -> None:
    method, path, headers, status = REFUSED[name]
    async with httpx.AsyncClient() as http:
        answer = await http.request(method, f"http://{host}{path}", headers=REQUEST | headers)
    assert answer.status_code == status
    assert answer.headers["connection"] == "close"
    assert answer.headers.get("sec-websocket-version") == ("13" if status == 426 else None)


async def test_a_client_that_does_not_wait_for_its_answer_leaves_nothing_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listeners: list[Echo] = []
    async with serving(_hesitantly(echo_app(listeners)), SETTINGS) as server:
        host, port = server.servers[0].sockets[0].getsockname()
        _, writer = await asyncio.open_connection(host, port)
        lines = "".join(f"{name}: {value}\r\n" for name, value in REQUEST.items())
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode())
        await _becomes(lambda: bool(server.server_state.tasks))
        writer.transport.abort()
        await _becomes(lambda: not server.server_state.tasks and not server.server_state.connections)
    assert not listeners
    assert not [each for each in caplog.records if each.levelname in ("WARNING", "ERROR")]


def _hesitantly(app: ASGIApp) -> ASGIApp:
    """A middleware that waits before anything is answered."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await asyncio.sleep(0.05)
        await app(scope, receive, send)

    return wrapped


async def test_an_endpoint_that_fails_is_an_error_of_the_server_and_says_nothing_of_ours() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            raise RuntimeError("secret")

    async with served(broken, SETTINGS, lifespan="off") as host, httpx.AsyncClient() as http:
        answer = await http.get(f"http://{host}/", headers=REQUEST)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error\n")


async def test_paths_queries_and_headers_reach_the_application_as_they_were_sent() -> None:
    seen: list[Scope] = []

    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await send({"type": "websocket.close"})

    async with served(watching, SETTINGS, lifespan="off") as host, httpx.AsyncClient() as http:
        await http.get(
            f"http://{host}/a%20b?c=d&e", headers=REQUEST | {"X-Two": "1: 2", "Sec-WebSocket-Protocol": "a, b"}
        )
    scope = seen[-1]
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b", b"/a%20b", b"c=d&e")
    assert (b"x-two", b"1: 2") in scope["headers"]
    assert scope["subprotocols"] == ["a", "b"]
    assert (scope["scheme"], scope["client"][0]) == ("ws", "127.0.0.1")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate with its key, for 127.0.0.1."""
    if which("openssl") is None:
        pytest.skip("no openssl on PATH, which makes the certificate of this test")
    path = tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", path, "-out", tmp_path / "public.pem"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + (tmp_path / "public.pem").read_bytes())
    return path


@pytest.mark.parametrize(
    "anyio_backend", [("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})], ids=["uvloop", "asyncio"]
)
async def test_a_socket_over_tls_is_like_any_other(
    certificate: Path, listeners: list[Echo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.transport.wire._CLOSE_SECONDS", 0.2)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with served(echo_app(listeners), SETTINGS, ssl_certfile=str(certificate)) as host:
        async with connect(f"wss://{host}/", ssl=trusting, max_size=None) as client:
            for size in (0, 1, 70_000, 3_000_000):
                await client.send(b"*" * size)
                assert await client.recv() == b"*" * size
        assert client.close_code == 1000
        async with connect(f"wss://{host}/", ssl=trusting) as client:
            await client.send(b"\xff", text=True)
            await client.wait_closed()
        assert client.close_code == 1007
        await _becomes(lambda: all("end" in each.told for each in listeners))


async def test_closing_is_said_once_whoever_begins(host: str, listeners: list[Echo]) -> None:
    async with raw_client(host) as client:
        await _becomes(lambda: bool(listeners))
        wire = listeners[0].wire
        wire.close(4000, "one")
        wire.close(4001, "two")
        wire.send(sent(TEXT, b"late", mask=None))
        await client.send([close(4000)])
        assert await client.frames() == [Frame(CLOSE, (4000).to_bytes(2) + b"one")]
    assert listeners[0].told == ["end"]
