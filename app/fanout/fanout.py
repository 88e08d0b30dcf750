"""Subscriptions of all transports: finds or makes the group of an operation, and takes members to their places."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from app.cancellation import heed
from app.execution.errors import format_exception
from app.execution.operations import Operation, Operations, RequestRefused
from app.execution.requests import GraphQLRequest
from app.fanout.groups import Group, Key, Surroundings, Turns
from app.fanout.members import Member
from app.fanout.replays import Replay
from app.fanout.resuming import beginning_only
from app.live.feeds import Feed
from app.live.hub import Hub
from app.live.moment import Moment
from app.schema.plans import Plan

_READS_AT_ONCE: Final = 3
"""For each of the two kinds; the pool has eight connections unless told otherwise."""
_DOCUMENTS: Final = 1_000
"""Documents of which is remembered which of their variables only begin a subscription."""
_encode = msgspec.json.Encoder(order="deterministic").encode


class Fanout:
    """One per process."""

    def __init__(self, operations: Operations, hub: Hub, context_of: Callable[[Moment], Any], limit: int) -> None:
        self._operations = operations
        self._hub = hub
        self._around = Surroundings(context_of, self._now, limit, Turns(_READS_AT_ONCE))
        self._groups: dict[Key, Group[Any]] = {}
        self._live: dict[Key, Group[Any]] = {}
        """The same for requests, with all their variables, of which is known that they ask for nothing stored."""
        self._beginnings: dict[tuple[str, str | None], frozenset[str]] = {}

    def _now(self, feed: Feed) -> Moment:
        return Moment(feed.sequence, self._hub.head, self._hub.rates, {})

    @property
    def groups(self) -> int:
        """Different subscriptions: each event is executed at most that often."""
        return len(self._groups)

    @property
    def members(self) -> int:
        """Open subscriptions."""
        return sum(len(group.roster) for group in self._groups.values())

    def join(self, request: GraphQLRequest, member: Member) -> bool:
        """Whether an equal group is there and nothing comes before what is live: then the member is subscribed now."""
        group = self._live.get(_key(request, request.variables))
        if group is None or group.feed.is_closed:
            return False
        group.join(member)
        return True

    async def subscribe(
        self, operation: Operation, request: GraphQLRequest, member: Member, after: str | None = None
    ) -> None:
        """Sends what comes before the live records and returns when the member is live.

        `after` is a cursor that came beside the request, as `Last-Event-ID` does: fields that have cursors go on there.
        Whatever goes wrong ends the member, with the reason as its error.
        """
        try:
            plan = await self._operations.open(operation, after)
            async with self._group(operation, request, plan) as group:
                await Replay(group, plan, member).run()
        except RequestRefused as refused:
            member.end(refused.response["errors"])
        except Exception as error:
            heed()
            member.leave()
            member.end([format_exception(error)])
        except BaseException:
            member.leave()
            raise

    @asynccontextmanager
    async def _group(self, operation: Operation, request: GraphQLRequest, plan: Plan[Any]) -> AsyncIterator[Group[Any]]:
        """The group of an operation; it stays at least as long as the context, and then as long as it has members."""
        feed = await self._hub.open(plan.commitment)
        key = _key(request, self._lasting(operation, request))
        group = self._groups.get(key)
        if group is None or group.feed is not feed:
            responder = self._operations.responder(operation)
            group = Group(plan, feed, responder, self._around, lambda group: self._forget(key, group))
            self._groups[key] = group
        else:
            self._hub.release(feed)
        group.users += 1
        if plan.after is None and plan.opening is None:
            whole = _key(request, request.variables)
            self._live[whole] = group
            group.keys.add(whole)
        try:
            yield group
        finally:
            group.users -= 1
            self._forget(key, group)

    def _lasting(self, operation: Operation, request: GraphQLRequest) -> Mapping[str, Any]:
        """The variables that say more than what the subscription begins with."""
        document = (request.query, request.operation_name)
        begins = self._beginnings.get(document)
        if begins is None:
            if len(self._beginnings) >= _DOCUMENTS:
                self._beginnings.clear()
            begins = self._beginnings[document] = beginning_only(operation)
        return {name: value for name, value in request.variables.items() if name not in begins}

    def _forget(self, key: Key, group: Group[Any]) -> None:
        """Once nobody is in it and nobody on the way to it."""
        if group.users or group.roster or group.is_forgotten:
            return
        group.is_forgotten = True
        self._hub.release(group.feed)
        if self._groups.get(key) is group:
            del self._groups[key]
        for each in group.keys:
            if self._live.get(each) is group:
                del self._live[each]


def _key(request: GraphQLRequest, variables: Mapping[str, Any]) -> Key:
    return request.query, request.operation_name, _encode(variables)
