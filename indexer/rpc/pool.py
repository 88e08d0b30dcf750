"""Several nodes as one: the best is asked, the next takes over within the request, bad ones are left alone a while."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, TypeVar

from solders.commitment_config import CommitmentLevel
from solders.rpc.config import RpcContextConfig
from solders.rpc.requests import GetGenesisHash, GetSlot

from app.domain.health import DEGRADED, DOWN, OK
from app.errors import SourceLost, StartupError
from indexer.rpc.answers import ELSEWHERE, RpcError, read_answer
from indexer.rpc.endpoint import Endpoint, EndpointFailed

T = TypeVar("T")
MAX_SLOTS_BEHIND: Final = 50
"""A node that is further behind the best known tip is put aside until it has caught up."""
SHORT_SECONDS: Final = 5.0
"""Time limit of a question whose answer is small."""
_LOOK_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 5.0
"""How long a request waits for a node to come back before the source is said to be lost."""
_TURN_SECONDS: Final = 0.05
_SLOT: Final = GetSlot(RpcContextConfig(commitment=CommitmentLevel.Confirmed)).to_json()
_GENESIS: Final = GetGenesisHash().to_json()


class Pool:
    """The nodes of `CURVECAST_RPC_URLS`. A context, which several may enter: while one is inside, each node is looked
    at every few seconds.

    Nodes of another chain than the wanted one are put aside. Raises StartupError for no or wrong addresses.
    """

    def __init__(
        self,
        urls: str,
        *,
        look_seconds: float = _LOOK_SECONDS,
        patience_seconds: float = _PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoints = [Endpoint(each) for each in urls.split(",") if each.strip()]
        if not self.endpoints:
            raise StartupError(
                "CURVECAST_RPC_URLS is not set: give the address of a Solana node, as http://127.0.0.1:8899 or"
                " https://api.mainnet-beta.solana.com; several separated by commas."
            )
        self.genesis: str | None = None
        """Of the chain that is wanted; where nobody knew it, the first node that told has decided."""
        self.followed = asyncio.Event()
        """Set once it was said which chain is followed: who fills and adds to another's market waits for it."""
        self._look_seconds = look_seconds
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._looking: asyncio.Task[None] | None = None
        self._users = 0
        self._turn = asyncio.Lock()
        """Of who opens or closes it."""

    def follow(self, genesis: str | None) -> None:
        """Wants the chain of that genesis hash; None where the caller met none yet."""
        self.genesis = genesis or self.genesis
        self.followed.set()

    async def __aenter__(self) -> "Pool":
        async with self._turn:
            await self._look()
            self._looking = self._looking or asyncio.create_task(self._keep_looking())
            self._users += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        async with self._turn:
            self._users -= 1
            if self._users == 0:
                await self._close()

    async def _close(self) -> None:
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        for endpoint in self.endpoints:
            await endpoint.close()

    @property
    def tip(self) -> int:
        """Newest slot that any node of this chain told of."""
        return max((each.slot for each in self.endpoints if self._is_of_this_chain(each)), default=0)

    def components(self) -> list[tuple[str, str, str]]:
        """(name, OK, DEGRADED or DOWN, detail for people) of each node, for `Status`; no secrets in it."""
        return [(f"rpc {each.name}", *self._state(each)) for each in self.endpoints]

    def usable(self) -> list[Endpoint]:
        """Nodes that may be asked now, the best first."""
        ready = [each for each in self.endpoints if self._is_fit(each) and each.health.may_be_asked]
        return sorted(ready, key=lambda each: each.health.score(self._behind(each)))

    async def ask(self, request: str, read: Callable[[bytes], T], seconds: float = SHORT_SECONDS) -> T:
        """What `read` makes of the best node's answer.

        A node that fails is followed by the next one. Raises RpcError when that is the answer (of all, where another
        node might have known more), SourceLost when none serves within the pool's patience.
        """
        deadline = self._clock() + self._patience_seconds
        answered: dict[Endpoint, RpcError] = {}
        while True:
            ready = [each for each in self.usable() if each not in answered]
            if not ready:
                if answered:
                    raise next(iter(answered.values()))
                await self._wait(deadline)
                continue
            try:
                return await ready[0].ask(request, read, seconds)
            except EndpointFailed:
                continue
            except RpcError as error:
                if error.number not in ELSEWHERE:
                    raise
                answered[ready[0]] = error

    async def _wait(self, deadline: float) -> None:
        """Until a node may be asked again; SourceLost when that is too late."""
        returns = [each.health.rests_until for each in self.endpoints if self._is_fit(each)]
        if self._clock() >= deadline or min(returns, default=deadline) >= deadline:
            raise SourceLost(self.why_down())
        await asyncio.sleep(_TURN_SECONDS)

    def why_down(self) -> str:
        """One line that says of each node why it does not serve."""
        states = [(each.name, self._state(each)) for each in self.endpoints]
        return "no node serves: " + "; ".join(f"{name}: {detail}" for name, (_, detail) in states)

    # ---------------------------------------------------------------- looking at the nodes

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(self._look_seconds)
            await self._look()

    async def _look(self) -> None:
        await asyncio.gather(*(self._look_at(each) for each in self.endpoints))
        if self.genesis is None:
            self.genesis = next((each.genesis for each in self.endpoints if each.genesis), None)

    async def _look_at(self, endpoint: Endpoint) -> None:
        if not endpoint.health.may_be_asked:
            return
        with suppress(EndpointFailed, RpcError):  # its health has it
            if not self._is_of_this_chain(endpoint):
                endpoint.genesis = await endpoint.ask(_GENESIS, _read_text, SHORT_SECONDS)
            endpoint.slot = await endpoint.ask(_SLOT, _read_number, SHORT_SECONDS, is_measured=True)

    def _is_of_this_chain(self, endpoint: Endpoint) -> bool:
        return endpoint.genesis is not None and endpoint.genesis == self.genesis

    def _behind(self, endpoint: Endpoint) -> int:
        return max(0, self.tip - endpoint.slot)

    def _is_fit(self, endpoint: Endpoint) -> bool:
        return self._is_of_this_chain(endpoint) and self._behind(endpoint) <= MAX_SLOTS_BEHIND

    def _state(self, endpoint: Endpoint) -> tuple[str, str]:
        health = endpoint.health
        if health.why is not None:
            rest = max(0.0, health.rests_until - self._clock())
            return DOWN, f"{health.why}; asked again in {rest:.0f} s"
        if endpoint.genesis is None:
            return DOWN, "not asked yet"
        if not self._is_of_this_chain(endpoint):
            return DOWN, f"a node of another chain (genesis {endpoint.genesis[:8]}…): put aside"
        if not self._is_fit(endpoint):
            return DEGRADED, f"{self._behind(endpoint)} slots behind: put aside until it has caught up"
        return OK, f"{(health.latency or 0.0) * 1_000:.0f} ms, {self._behind(endpoint)} slots behind"


def _read_text(answer: bytes) -> str:
    text: str = read_answer(answer, str)
    return text


def _read_number(answer: bytes) -> int:
    number: int = read_answer(answer, int)
    return number
