"""POST and GET on /graphql, by the GraphQL-over-HTTP specification.

What can be told before a stream begins is told by status and JSON; from there on the stream's own protocol holds, also
for a document that is refused.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import CurvecastError, InvalidInput, SubscriptionLimit
from app.execution.errors import format_exception
from app.execution.operations import Operation, Operations, RequestRefused
from app.execution.operations import Response as Refusal
from app.execution.requests import GraphQLRequest, read_json, read_parameters, read_request
from app.metrics import Metrics
from app.settings import Settings
from app.transport.door import RETRY_SECONDS
from app.transport.framing import Framing, whole
from app.transport.multipart import Multipart
from app.transport.negotiation import EVENTS, GRAPHQL, HTML, JSON, MULTIPART, choose, is_json
from app.transport.sse import ServerSentEvents
from app.transport.stream import HEADERS
from app.transport.streams import Asked, Streams

BrowserPage: TypeAlias = Callable[[Request], Awaitable[Response]]
FRAMINGS: Final[Mapping[str, Framing]] = {EVENTS: ServerSentEvents(), MULTIPART: Multipart()}
"""What subscriptions, and also queries, may be answered in besides JSON."""
_PLAIN: Final = (GRAPHQL, JSON)
_STREAMS: Final = (EVENTS, MULTIPART)
_SUBSCRIBE: Final = (
    "Subscriptions are served on this path over WebSocket (subprotocol graphql-transport-ws), as server-sent events "
    "(Accept: text/event-stream) and as multipart (Accept: multipart/mixed;subscriptionSpec=1.0)."
)


class _Rejected(Exception):
    """An HTTP request that is not answered as it asks; `reason`, InvalidInput where only words are given, says what to
    send instead."""

    def __init__(self, status: int, reason: CurvecastError | str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = InvalidInput(reason) if isinstance(reason, str) else reason
        self.headers = dict(headers or {})


class View:
    """The HTTP face of `Operations`. `browser_page` answers browsers that ask for HTML without a query."""

    def __init__(
        self,
        operations: Operations,
        streams: Streams,
        settings: Settings,
        metrics: Metrics,
        browser_page: BrowserPage | None = None,
    ) -> None:
        self._operations = operations
        self._streams = streams
        self._settings = settings
        self._metrics = metrics
        self._browser_page = browser_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application, so that every method comes here and none is answered on the way."""
        started = time.perf_counter()
        response = await self.respond(Request(scope, receive))
        self._metrics.seconds.add(time.perf_counter() - started)
        await response(scope, receive, send)

    async def respond(self, request: Request) -> ASGIApp:
        accept = ", ".join(request.headers.getlist("accept"))
        if self._browser_page is not None and _is_browser(request, accept):
            return await self._browser_page(request)
        media = choose(accept, _PLAIN + _STREAMS)
        try:
            if media is None:
                raise _Rejected(406, f"This path answers in {GRAPHQL}, {JSON}, {EVENTS} and {MULTIPART}: accept one.")
            return await self._answer(request, accept, media)
        except _Rejected as error:
            errors = {"errors": [format_exception(error.reason)]}
            return _plain(msgspec.json.encode(errors), choose(accept, _PLAIN) or JSON, error.status, error.headers)

    async def _answer(self, request: Request, accept: str, media: str) -> ASGIApp:
        try:
            asked = await self._read(request)
        except InvalidInput as error:
            raise _Rejected(400, str(error)) from None
        try:
            operation = self._operations.prepare(asked)
            if operation.is_subscription:
                return self._stream(request, accept, asked, operation)
            answer = await self._operations.run(operation)
        except RequestRefused as refused:
            self._metrics.requests.add("error")
            return _response(msgspec.json.encode(refused.response), media, _status(refused.response, media))
        self._metrics.requests.add("error" if answer.has_errors else "ok")
        return _response(answer.body, media, 200)

    def _stream(self, request: Request, accept: str, asked: GraphQLRequest, operation: Operation) -> ASGIApp:
        """Streams are for those who name one: who accepts anything may not expect that the answer never ends."""
        media = choose(accept, _STREAMS, by_name=True)
        if media is None:
            raise _not_here(request)
        if request.scope["http_version"] == "1.0":
            raise _Rejected(505, "Streams need HTTP/1.1: a proxy between may have to be told so.")
        try:
            return self._streams.response(media, Asked(asked, operation, request.headers.get("last-event-id") or None))
        except SubscriptionLimit as error:
            raise _Rejected(503, error, {"retry-after": str(RETRY_SECONDS)}) from None

    async def _read(self, request: Request) -> GraphQLRequest:
        if request.method == "GET":
            return read_parameters(request.query_params)
        if request.method != "POST":
            raise _Rejected(405, "Use POST or GET.", {"allow": "GET, POST"})
        if not is_json(request.headers.get("content-type")):
            raise _Rejected(415, f"Send the request as {JSON} in UTF-8, and say so in Content-Type.")
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise _Rejected(415, "Send the body uncompressed.", {"accept-encoding": "identity"})
        return read_request(read_json(await self._body(request)))

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.query_timeout_seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self._settings.max_body_bytes:
                        raise _too_large(self._settings.max_body_bytes)
        except TimeoutError:
            raise _Rejected(408, "The body did not arrive in time.", {"connection": "close"}) from None
        except ClientDisconnect:
            raise _Rejected(400, "The body ended before its time.") from None
        return bytes(body)


def _is_browser(request: Request, accept: str) -> bool:
    return request.method == "GET" and "query" not in request.query_params and HTML in accept.lower()


def _not_here(request: Request) -> _Rejected:
    if request.method == "GET":
        return _Rejected(405, _SUBSCRIBE, {"allow": "POST"})
    return _Rejected(400, _SUBSCRIBE)


def _too_large(limit: int) -> _Rejected:
    return _Rejected(
        413, f"Limit exceeded: body, at most {limit:,} bytes. Send less in one request.", {"connection": "close"}
    )


def _status(refused: Refusal, media: str) -> int:
    """Only the newer type tells by the status that nothing was executed. The others answer 200 to every well-formed
    request: to a browser's EventSource, anything else is the end without a reason."""
    if media != GRAPHQL:
        return 200
    codes = {error["extensions"]["code"] for error in refused["errors"]}
    return 503 if codes == {"SERVICE_UNAVAILABLE"} else 400


def _response(body: bytes, media: str, status: int) -> Response:
    framing = FRAMINGS.get(media)
    if framing is None:
        return _plain(body, media, status, {})
    return Response(whole(framing, body), status, {**HEADERS, "content-type": framing.content_type})


def _plain(body: bytes, media: str, status: int, headers: Mapping[str, str]) -> Response:
    return Response(body, status, {"vary": "accept", **headers}, f"{media}; charset=utf-8")
