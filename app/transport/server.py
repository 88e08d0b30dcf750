"""What uvicorn must be told so that the limits hold below the application too."""

from typing import Any

from app.settings import Settings


def server_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of `uvicorn.Config`."""
    return {
        "ws_max_size": settings.max_frame_bytes,
        # Deflate costs 7 to 60 % of CPU and 40 KiB a socket (ARCHITECTURE.md section 5).
        "ws_per_message_deflate": False,
        "ws_ping_interval": 20.0,
        "ws_ping_timeout": 20.0,
        "timeout_graceful_shutdown": 8,
        "server_header": False,
    }
