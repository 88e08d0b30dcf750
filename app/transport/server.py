"""What uvicorn must be told so that the limits hold below the application too."""

from typing import Any

from app.settings import Settings
from app.transport.connection import Connection
from app.transport.handshake import Handshake

BACKLOG = 16_384
"""Connections that may wait to be accepted: all clients of a server that was just restarted come at once. The system
has a bound of its own (net.core.somaxconn), and lets clients try again past it."""


def server_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of `uvicorn.Config`."""
    return {
        "http": Connection,
        "ws": Handshake,
        "ws_max_size": settings.max_frame_bytes,
        # Deflate costs 7 to 60 % of CPU and 40 KiB a socket (ARCHITECTURE.md section 5).
        "ws_per_message_deflate": False,
        # Open sockets are kept alive by one timer for all of them (app.transport.watch).
        "ws_ping_interval": None,
        "backlog": BACKLOG,
        "timeout_graceful_shutdown": 4,
        "server_header": False,
    }
