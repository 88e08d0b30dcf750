"""The loader behind all loaders: what several fields wait for is not lost when one of them gives up."""

import asyncio
from collections.abc import Hashable
from typing import TypeVar

from aiodataloader import DataLoader

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SharedLoader(DataLoader[Key, Value]):
    """An error in a place that must not be null makes graphql-core cancel what stands beside it. A future of a plain
    loader would be cancelled with its first waiter, and with it fields elsewhere that wait for the same key."""

    def load(self, key: Key) -> asyncio.Future[Value]:
        return asyncio.shield(super().load(key))
