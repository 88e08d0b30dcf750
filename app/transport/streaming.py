"""Subscriptions one by one, each in its own task."""

from collections.abc import AsyncIterator

import msgspec

from app.execution.operations import Operation, Operations
from app.execution.requests import GraphQLRequest
from app.fanout.members import Member
from app.fanout.payloads import Payload
from app.live.mailbox import Closed


class Streams:
    """Each event is executed for each subscription anew."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def join(self, request: GraphQLRequest, member: Member) -> bool:
        """There are no groups to join."""
        return False

    async def subscribe(self, operation: Operation, request: GraphQLRequest, member: Member) -> None:
        """Until the subscription ends. Raises what its source raises."""
        responses = self._operations.stream(operation)
        assert isinstance(responses, AsyncIterator)
        try:
            async for response in responses:
                await member.room()
                member.send([Payload(msgspec.json.encode(response), 0, None, None, ())])
        except Closed:
            return
        finally:
            await responses.aclose()  # type: ignore[attr-defined]
        member.end(None)
