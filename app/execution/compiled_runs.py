"""One execution of a compiled selection: what it found, and what it has to wait for.

A resolver's coroutine is begun at once: those that find everything in memory end there and cost no task. Those that
wait, mostly for a loader, are begun one after another in the same turn of the loop, so that one read serves them all;
when they are done, what is nested in them is begun in the same way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from app.execution.resolvers import ResolverInfo, Uncovered

Complete: TypeAlias = Callable[[Any, "Run"], object]
Otherwise: TypeAlias = Callable[[object, object], bytes | Awaitable[bytes]]
"""graphql-core's execution of the same: root value and context to response."""
_ENCODE: Final = msgspec.json.Encoder().encode


class Waiting(NamedTuple):
    """A field whose resolver is not done."""

    result: Coroutine[Any, Any, object]
    data: dict[str, object]
    """The object in the response that it belongs in, by this name."""
    name: str
    complete: Complete


class Run:
    """What the functions of a compiled selection hand on."""

    __slots__ = ("arguments", "info", "waiting")

    def __init__(self, arguments: tuple[dict[str, Any], ...], info: ResolverInfo) -> None:
        self.arguments = arguments
        self.info = info
        self.waiting: list[Waiting] = []


class _Begun(Coroutine[Any, Any, object]):
    """The rest of a coroutine whose first step was taken: it gave a future, which whoever awaits this gets first.

    Futures have a flag that says that they are awaited, not only given, which the next to take it unsets; nobody else
    can wait for the future before. It is unset here meanwhile, since loaders share their futures.
    """

    __slots__ = ("_coroutine", "_future", "_is_first")

    def __init__(self, coroutine: Coroutine[Any, Any, object], future: Any) -> None:
        self._coroutine = coroutine
        self._future = future
        self._is_first = True
        self._flag(is_awaited=False)

    def send(self, value: object) -> object:
        if not self._is_first:
            return self._coroutine.send(value)
        self._is_first = False
        self._flag(is_awaited=True)
        return self._future

    def _flag(self, *, is_awaited: bool) -> None:
        if self._future is not None:  # as from `asyncio.sleep(0)`
            self._future._asyncio_future_blocking = is_awaited

    def throw(self, *error: Any) -> object:
        self._is_first = False
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Iterator[object]:  # type: ignore[override]  # an iterator with `send` is all that is needed
        return self

    def __iter__(self) -> Iterator[object]:
        return self

    def __next__(self) -> object:
        return self.send(None)


def begin(
    coroutine: Coroutine[Any, Any, object], data: dict[str, object], name: str, complete: Complete, run: Run
) -> None:
    """Takes the first step of a resolver, and completes its field if that was all."""
    try:
        future = coroutine.send(None)
    except StopIteration as done:
        found = done.value
    else:
        run.waiting.append(Waiting(_Begun(coroutine, future), data, name, complete))
        return
    data[name] = complete(found, run)


def postpone(
    coroutine: Coroutine[Any, Any, object], data: dict[str, object], name: str, complete: Complete, run: Run
) -> None:
    """For the fields of a query itself: they may take their time, and run in the task of the request."""
    run.waiting.append(Waiting(coroutine, data, name, complete))


def execute(
    select: Callable[[object, Run], dict[str, object]], run: Run, otherwise: Otherwise
) -> bytes | Awaitable[bytes]:
    """The response; that of `otherwise` where anything at all is not as the compiler expects it."""
    try:
        data = select(run.info.root_value, run)
        if not run.waiting:
            return _ENCODE({"data": data})
    except Exception:
        return _settled(run, otherwise) if run.waiting else otherwise(run.info.root_value, run.info.context)
    return _finished(run, data, otherwise)


async def _finished(run: Run, data: dict[str, object], otherwise: Otherwise) -> bytes:
    try:
        while run.waiting:
            waiting, run.waiting = run.waiting, []
            found = await _results(waiting)
            apart(_complete, waiting, found, run)
        return _ENCODE({"data": data})
    except Exception:
        # Outside of this block, so that its error does not hang on those of the other execution.
        pass
    return await _settled(run, otherwise)


async def _results(waiting: list[Waiting]) -> list[Any]:
    if len(waiting) == 1:
        return [await waiting[0].result]
    results = await asyncio.gather(*(each.result for each in waiting), return_exceptions=True)
    if any(isinstance(result, BaseException) for result in results):
        raise Uncovered
    return results


def _complete(waiting: list[Waiting], found: list[Any], run: Run) -> None:
    for each, value in zip(waiting, found, strict=True):
        each.data[each.name] = each.complete(value, run)


async def _settled(run: Run, otherwise: Otherwise) -> bytes:
    """Nothing that was begun is left behind: it may hold a connection."""
    begun = [each.result for each in run.waiting if isinstance(each.result, _Begun)]
    for each in run.waiting:
        if not isinstance(each.result, _Begun):
            each.result.close()
    await asyncio.gather(*begun, return_exceptions=True)
    response = otherwise(run.info.root_value, run.info.context)
    return response if isinstance(response, bytes) else await response


def apart(call: Callable[..., Any], *given: object) -> Any:
    """Calls with no current task, as the loop calls its callbacks.

    First steps are not taken in the task that their coroutine ends in. What is bound to a task, as a time limit, says
    so with an error, instead of cancelling the wrong one; graphql-core then executes it in a task.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task(loop)
    if task is None:
        return call(*given)
    asyncio.tasks._leave_task(loop, task)
    try:
        return call(*given)
    finally:
        asyncio.tasks._enter_task(loop, task)
