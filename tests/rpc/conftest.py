"""The waits of sources that follow nodes, shortened: tests of them wait for what happens, not for clocks."""

import pytest

_SHORT = {
    "app.bus.backoff.FIRST_SECONDS": 0.02,
    "indexer.rpc.ahead._RETRY_SECONDS": 0.02,
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
