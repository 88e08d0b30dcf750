"""Frames of graphql-transport-ws, read strictly by its PROTOCOL document and written as compact JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from app.errors import InvalidInput
from app.execution.requests import GraphQLRequest, read_json, read_request

SUBPROTOCOL: Final = "graphql-transport-ws"
_MAX_ID: Final = 256


@dataclass(frozen=True, slots=True)
class Init:
    """connection_init."""


@dataclass(frozen=True, slots=True)
class Ping:
    payload: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Pong:
    pass


@dataclass(frozen=True, slots=True)
class Subscribe:
    id: str
    request: GraphQLRequest


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A subscribe that is no JSON we read, as one with a number of 10,000 digits: it costs its operation, not the
    socket with all the others."""

    id: str
    reason: InvalidInput


@dataclass(frozen=True, slots=True)
class Complete:
    id: str


Message: TypeAlias = Init | Ping | Pong | Subscribe | Unreadable | Complete


class _Envelope(msgspec.Struct, tag_field="type", tag="subscribe"):
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_ID)]


def read(frame: str) -> Message:
    """Raises InvalidInput with the reason for which the protocol closes the socket (4400)."""
    try:
        value = read_json(frame)
    except InvalidInput as error:
        return _unreadable(frame, error)
    if not isinstance(value, dict):
        raise InvalidInput("A message must be a JSON object.")
    match value.get("type"):
        case "connection_init":
            _payload(value)
            return Init()
        case "ping":
            return Ping(_payload(value))
        case "pong":
            _payload(value)
            return Pong()
        case "subscribe":
            return Subscribe(_id(value), _subscribe_payload(value))
        case "complete":
            return Complete(_id(value))
        case _:
            raise InvalidInput("The message has no type that a client may send.")


def _unreadable(frame: str, error: InvalidInput) -> Unreadable:
    """Raises `error` itself where not even the operation can be told."""
    try:
        envelope = msgspec.json.decode(frame, type=_Envelope)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise error from None
    return Unreadable(envelope.id, error)


def write(kind: str, **members: object) -> bytes:
    """A server message; members that are None are left out."""
    present = {name: member for name, member in members.items() if member is not None}
    return msgspec.json.encode({"type": kind, **present})


def _payload(value: dict[str, Any]) -> Mapping[str, Any] | None:
    payload = value.get("payload")
    if payload is None or isinstance(payload, dict):
        return payload
    raise InvalidInput(f'"payload" of {value["type"]} must be an object, or left out.')


def _id(value: dict[str, Any]) -> str:
    name = value.get("id")
    if isinstance(name, str) and 0 < len(name) <= _MAX_ID:
        return name
    raise InvalidInput(f'"id" of {value["type"]} must be a string of 1 to {_MAX_ID} characters.')


def _subscribe_payload(value: dict[str, Any]) -> GraphQLRequest:
    if not isinstance(value.get("payload"), dict):
        raise InvalidInput('"payload" of subscribe must be an object with a "query".')
    return read_request(value["payload"])
