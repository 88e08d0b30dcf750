"""Listening before anything slow starts, and a uvicorn that stops when the command says so."""

import errno
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from uvicorn.supervisors import Multiprocess

from app.errors import StartupError
from app.settings import Settings
from app.transport.server import server_options

_BACKLOG = 2_048


def listen(settings: Settings) -> socket.socket:
    """A listening socket on the settings' host and port. Raises StartupError when that cannot be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except socket.gaierror as error:
        raise StartupError(f"there is no address {settings.host}: correct CURVECAST_HOST.") from error
    except (OSError, OverflowError) as error:
        raise StartupError(_why_not(f"{settings.host}:{settings.port}", error)) from error
    return listener


def _why_not(where: str, error: Exception) -> str:
    if getattr(error, "errno", None) == errno.EADDRINUSE:
        return f"{where} is in use: stop what listens there, or set CURVECAST_PORT to another port."
    if getattr(error, "errno", None) == errno.EACCES:
        return f"{where} may not be opened by this user: set CURVECAST_PORT to a port above 1023."
    return f"{where} cannot be opened: correct CURVECAST_HOST and CURVECAST_PORT."


class Server(uvicorn.Server):
    """uvicorn that leaves signals to its owner: `should_exit = True` ends it."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def serve_with_workers(settings: Settings, listener: socket.socket, workers: int) -> None:
    """Runs `workers` processes over one port, replacing those that die, until SIGINT or SIGTERM."""
    config = uvicorn.Config("app.main:app", workers=workers, log_level="warning", **server_options(settings))
    Multiprocess(config, sockets=[listener]).run()
