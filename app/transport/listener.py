"""Listening before anything slow starts, and a uvicorn that closes its sockets before its door."""

import errno
import resource
import socket
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Final

import uvicorn
from uvicorn.supervisors import multiprocess

from app.errors import StartupError
from app.settings import Settings
from app.transport.server import BACKLOG, server_options

_SEND_BUFFER: Final = 128 * 1024
"""Bytes that the system may hold for a client (Linux takes twice that), inherited by all sockets. By itself it lets
them grow to 4 MB: a client that reads slowly would be minutes behind while nobody could tell, pings included."""
_FILES: Final = 1 << 20
"""No system's own bound is lower where it is not told."""


def listen(settings: Settings) -> socket.socket:
    """A listening socket on the settings' host and port. Raises StartupError when that cannot be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        listener.bind(address)
        listener.listen(BACKLOG)
        _allow_many_files()
    except socket.gaierror as error:
        raise StartupError(f"there is no address {settings.host}: correct CURVECAST_HOST.") from error
    except (OSError, OverflowError) as error:
        raise StartupError(_why_not(f"{settings.host}:{settings.port}", error)) from error
    return listener


def _allow_many_files() -> None:
    """Each socket is an open file, and what a shell allows by default is often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _why_not(where: str, error: Exception) -> str:
    if getattr(error, "errno", None) == errno.EADDRINUSE:
        return f"{where} is in use: stop what listens there, or set CURVECAST_PORT to another port."
    if getattr(error, "errno", None) == errno.EACCES:
        return f"{where} may not be opened by this user: set CURVECAST_PORT to a port above 1023."
    return f"{where} cannot be opened: correct CURVECAST_HOST and CURVECAST_PORT."


class Worker(uvicorn.Server):
    """uvicorn that lets the application drain its sockets while it still accepts connections, to refuse them kindly."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        drain: Callable[[], Awaitable[None]] | None = self.lifespan.state.get("drain")
        if drain is not None:
            await drain()
        await super().shutdown(sockets)


class Server(Worker):
    """The same, and signals are left to its owner: `should_exit = True` ends it."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Process(multiprocess.Process):
    """One of several, with a server of ours."""

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = Worker(self.config)
        return self._server


def serve_with_workers(settings: Settings, listener: socket.socket, workers: int) -> None:
    """Runs `workers` processes over one port, replacing those that die, until SIGINT or SIGTERM."""
    config = uvicorn.Config("app.main:app", workers=workers, log_level="warning", **server_options(settings))
    # uvicorn has no parameter for it, and looks its own class up by this name.
    multiprocess.Process = _Process  # type: ignore[misc]
    multiprocess.Multiprocess(config, sockets=[listener]).run()
