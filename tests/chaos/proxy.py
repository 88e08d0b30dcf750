"""A TCP proxy between two of our processes that does what networks do: passes, cuts, resets, freezes, delays, holds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from node.faults import reset

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]
_CHUNK = 65_536


@dataclass(slots=True)
class Hold:
    """Catches the first message with `text` on its way to the server: `before` it arrives, or else its answer."""

    text: bytes
    before: bool
    caught: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False, slots=True)
class _Link:
    """One connection through the proxy, with both of its ends."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    answer: Hold | None = None
    """What keeps the server's answers back."""
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: not a byte more, either way, and no close."""

    def close(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


class Proxy:
    """Listens on a port of its own, connects each client to what `connect` opens."""

    def __init__(self, connect: Connect) -> None:
        self.port = 0
        self.latency = 0.0
        """Seconds that each piece of data waits, in both directions."""
        self._connect = connect
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_away = False
        self._is_frozen = False
        self._hold: Hold | None = None

    # ------------------------------------------------------------ faults

    def cut(self) -> None:
        """Closes all connections with FIN."""
        for link in tuple(self._links):
            link.close()

    def reset(self) -> None:
        """Closes all connections with RST towards the client."""
        for link in tuple(self._links):
            reset(link.client.transport)
            link.close()

    def freeze(self) -> None:
        """Makes all connections half-open, for ever; new ones are well."""
        for link in self._links:
            link.open.clear()

    def leave(self, *, silently: bool = False) -> None:
        """The server is away: connections are closed and refused; or `silently` they stay, and nothing passes."""
        self._is_away, self._is_frozen = not silently, silently
        if silently:
            self.freeze()
        else:
            self.cut()

    def heal(self) -> None:
        """All is well for new connections; those that were frozen are closed, as a network does in the end."""
        self._is_away = self._is_frozen = False
        self.latency = 0.0
        for link in tuple(self._links):
            if not link.open.is_set():
                link.close()

    def hold(self, text: bytes, *, before: bool) -> Hold:
        """Holds the next message that has `text`; one at a time."""
        self._hold = Hold(text, before)
        return self._hold

    def release(self, *, arrives: bool) -> None:
        """Ends the hold. What was held goes on its way, or (`arrives` unset) is lost with its connection."""
        hold, self._hold = self._hold, None
        if not arrives:
            self.cut()
        if hold is not None:
            hold.released.set()

    # ------------------------------------------------------------ passing

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, from its connect to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # by `end`; asyncio would tell it as an error of the callback
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_away:
            return
        try:
            from_server, to_server = await self._connect()
        except OSError:
            return
        link = _Link(writer, to_server)
        if not self._is_frozen:
            link.open.set()
        self._links.add(link)
        pumps = [
            asyncio.create_task(self._pump(link, reader, to_server, is_request=True)),
            asyncio.create_task(self._pump(link, from_server, writer, is_request=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._links.discard(link)
            link.close()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_request: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._gate(link, data, is_request)
                writer.write(data)
                await writer.drain()

    async def _gate(self, link: _Link, data: bytes, is_request: bool) -> None:
        """Returns when the data may go on."""
        hold = self._hold
        if is_request and hold is not None and not hold.caught.is_set() and hold.text in data:
            hold.caught.set()
            if hold.before:
                await hold.released.wait()
            else:
                link.answer = hold
        if not is_request and link.answer is not None:
            await link.answer.released.wait()
        if self.latency:
            await asyncio.sleep(self.latency)
        await link.open.wait()

    async def end(self) -> None:
        """Closes everything."""
        self.cut()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def serve_proxy(connect: Connect) -> AsyncIterator[Proxy]:
    """A proxy on a free port of the loopback interface while the block runs."""
    proxy = Proxy(connect)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
