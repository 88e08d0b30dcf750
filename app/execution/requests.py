"""What a client asks, read from untrusted bytes: the same for POST, GET and the `subscribe` message."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from app.errors import InvalidInput

T = TypeVar("T")
MAX_JSON_DEPTH = 128


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """Document, variables and the name of the operation to run. Extensions are accepted and not used."""

    query: str
    variables: Mapping[str, Any]
    operation_name: str | None


def read_json(text: bytes | str) -> Any:
    """Any JSON value. Raises InvalidInput for bad UTF-8, bad JSON, too deep nesting and numbers out of range."""
    try:
        value = msgspec.json.decode(text)
        # How deep the parser itself goes depends on the Python: what is let through must not.
        if _openings(text) > MAX_JSON_DEPTH and _is_deeper(value, MAX_JSON_DEPTH):
            raise RecursionError
    except RecursionError:
        raise InvalidInput(f"The JSON is nested too deeply: at most {MAX_JSON_DEPTH} levels.") from None
    except UnicodeDecodeError:
        raise InvalidInput("This is not JSON that can be read: it is not UTF-8.") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidInput(f"This is not JSON that can be read: {error}.") from None
    return value


def _openings(text: bytes | str) -> int:
    return text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [each for outer in level for each in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def read_request(value: Any) -> GraphQLRequest:
    """Raises InvalidInput that names the member that is missing or wrong."""
    if isinstance(value, list):
        raise InvalidInput("Batches are not supported: send one request object at a time.")
    if not isinstance(value, dict):
        raise InvalidInput('The request must be a JSON object as {"query": "{ status { state } }"}.')
    query = value.get("query")
    if not isinstance(query, str):
        raise InvalidInput('"query" must be a string that holds the GraphQL document.')
    _member(value, "extensions", dict)
    return GraphQLRequest(query, _member(value, "variables", dict) or {}, _member(value, "operationName", str))


def read_parameters(parameters: Mapping[str, str]) -> GraphQLRequest:
    """The request in the query string of a GET; `variables` and `extensions` are JSON there."""
    # An empty operationName is the same as none, says the specification.
    value: dict[str, Any] = {name: parameters[name] for name in ("query", "operationName") if parameters.get(name)}
    for name in ("variables", "extensions"):
        if parameters.get(name):
            value[name] = read_json(parameters[name])
    return read_request(value)


def _member(value: dict[str, Any], name: str, kind: type[T]) -> T | None:
    member = value.get(name)
    if member is None or isinstance(member, kind):
        return member
    raise InvalidInput(f'"{name}" must be {"a string" if kind is str else "an object"}, or left out.')
