"""The waits of sources that follow nodes, shortened: tests of them wait for what happens, not for clocks."""

import socket

import pytest

_SHORT = {
    "app.bus.backoff.FIRST_SECONDS": 0.02,
    "indexer.rpc.patient._RETRY_SECONDS": 0.02,
    "indexer.rpc.fetching._RETRY_SECONDS": 0.02,
    "indexer.rpc.heads._POLL_SECONDS": 0.05,
    "indexer.rpc.heads._LIVE_POLL_SECONDS": 0.2,
    "indexer.sources.logs._SETTLE_SECONDS": 0.1,
    "indexer.sources.rpc._IDLE_SECONDS": 0.05,
    "indexer.sources.rpc._UNSTEADY_SECONDS": 0.05,
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fractions of a second become hundredths."""
    for name, seconds in _SHORT.items():
        monkeypatch.setattr(name, seconds)
    monkeypatch.setattr("node.serving.socket.create_server", _prompt_server)


_create_server = socket.create_server


def _prompt_server(address: tuple[str, int], *, reuse_port: bool = False) -> socket.socket:
    """A listener whose connections answer at once: asyncio's own loop leaves them Nagle's 40 ms for each answer.

    uvloop would not, but the node's faults CUT and RESET do nothing to its transports, and their tests would be idle.
    """
    listener = _create_server(address, reuse_port=reuse_port)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
