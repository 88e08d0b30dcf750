"""Runs one operation: a query to one response, a subscription to a response for each event of its source.

Each event is a fresh execution with the event as its root value. graphql-core's own mapping of a subscription is not
used: its per-event executor shares a memo that grows with every event (ARCHITECTURE.md section 5).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from typing import Any, Final, TypeAlias

import msgspec
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute,
    get_operation_ast,
)
from graphql.execution import Executor
from graphql.execution.values import get_variable_values
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.errors import CostExceeded, CurvecastError, Unavailable
from app.execution.compiled import Plans
from app.execution.documents import Documents, Refused
from app.execution.errors import VALIDATION_FAILED, format_error, format_exception
from app.execution.requests import GraphQLRequest
from app.execution.subscribing import open_source
from app.schema.costs import check_cost
from app.settings import Settings

Response: TypeAlias = dict[str, Any]
Responder: TypeAlias = Callable[[object, object], bytes | Awaitable[bytes]]
"""Root value and context to the whole response as JSON; at once wherever nothing has to be waited for."""
NewContext: TypeAlias = Callable[[], Any]
"""Makes the context of one execution: loaders live no longer than that."""
_WITH_ERRORS: Final = b'{"errors":'
"""How a response with errors begins: they come first."""
_EXECUTOR: type[Executor[Any]] = StrawberryGraphQLCoreExecutionContext
"""Strawberry's resolvers expect what it adds to graphql-core's."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A request that may run."""

    document: DocumentNode
    node: OperationDefinitionNode
    name: str | None
    variables: Mapping[str, Any]
    plans: Plans

    @property
    def is_subscription(self) -> bool:
        return self.node.operation is OperationType.SUBSCRIPTION


@dataclass(frozen=True, slots=True)
class Answer:
    """The response of a query that was executed: it has `data`, if only null."""

    body: bytes
    """The whole response as JSON."""
    has_errors: bool


class RequestRefused(Exception):
    """There is no `data`: nothing was executed, or not to its end; `response` has only errors."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors)
        self.response: Response = {"errors": errors}


class Operations:
    """What both transports run requests through."""

    def __init__(self, schema: GraphQLSchema, settings: Settings, new_context: NewContext) -> None:
        self._schema = schema
        self._settings = settings
        self._new_context = new_context
        self._documents = Documents(schema, settings)

    def prepare(self, request: GraphQLRequest) -> Operation:
        """Raises RequestRefused: the document is wrong, too large, or names no operation."""
        try:
            document = self._documents.read(request.query)
            node = get_operation_ast(document.node, request.operation_name)
            if node is None:
                raise Refused([_no_operation(request.operation_name)])
            check_cost(self._schema, document.node, node, request.variables, self._settings)
        except Refused as refused:
            raise RequestRefused([format_error(error, VALIDATION_FAILED) for error in refused.errors]) from None
        except CostExceeded as error:
            raise RequestRefused([format_exception(error)]) from None
        return Operation(document.node, node, request.operation_name, request.variables, document.plans)

    async def run(self, operation: Operation) -> Answer:
        """The response of a query. Raises RequestRefused: a variable is wrong, or it took too long."""
        try:
            async with asyncio.timeout(self._settings.query_timeout_seconds):
                response = self.responder(operation)(None, self._new_context())
                body = response if isinstance(response, bytes) else await response
        except TimeoutError:
            raise RequestRefused([format_exception(_too_slow(self._settings.query_timeout_seconds))]) from None
        return Answer(body, body.startswith(_WITH_ERRORS))

    async def open(self, operation: Operation, after: str | None = None) -> Any:
        """Runs the root resolver of a subscription: what it returned. Raises RequestRefused.

        `after` is a cursor that the client sent beside the request; it goes before those in the arguments.
        """
        try:
            return await open_source(self._schema, self._executor(operation, after))
        except GraphQLError as error:
            raise RequestRefused([format_error(error)]) from None

    def responder(self, operation: Operation) -> Responder:
        """Executes the operation, again for each root value. Equal to graphql-core's response in every byte.

        Responders raise RequestRefused where a variable is wrong.
        """
        by_graphql_core = partial(self._respond, operation)
        variables = get_variable_values(
            self._schema, operation.node.variable_definitions or (), dict(operation.variables)
        )
        bound = None if isinstance(variables, list) else operation.plans.bind(operation.node, variables)
        return by_graphql_core if bound is None else partial(bound.respond, otherwise=by_graphql_core)

    def _respond(self, operation: Operation, root_value: object, context: object) -> bytes | Awaitable[bytes]:
        result = self._begin(operation, root_value, context)
        return _later(result) if isawaitable(result) else _encoded(result)

    def _executor(self, operation: Operation, after: str | None) -> Executor[Any]:
        """Raises RequestRefused: a variable is wrong."""
        executor = _EXECUTOR.build(
            self._schema,
            operation.document,
            context_value=self._new_context() if after is None else self._new_context().resumed(after),
            raw_variable_values=dict(operation.variables),
            operation_name=operation.name,
        )
        if isinstance(executor, list):
            raise RequestRefused([format_error(error) for error in executor])
        return executor

    def _begin(
        self, operation: Operation, root_value: object, context: object
    ) -> ExecutionResult | Awaitable[ExecutionResult]:
        return execute(
            self._schema,
            operation.document,
            root_value=root_value,
            context_value=context,
            variable_values=dict(operation.variables),
            operation_name=operation.name,
            executor_class=_EXECUTOR,
        )


async def _later(result: Awaitable[ExecutionResult]) -> bytes:
    return _encoded(await result)


def _encoded(result: ExecutionResult) -> bytes:
    response = _response(result)
    if "data" not in response:
        raise RequestRefused(response["errors"])
    return msgspec.json.encode(response)


def _response(result: ExecutionResult) -> Response:
    """Without `data` when nothing could be executed, as with a wrong variable."""
    response: Response = {}
    if result.errors:
        response["errors"] = [format_error(error) for error in result.errors]
    if result.data is not None or not result.errors or any(error.path for error in result.errors):
        response["data"] = result.data
    return response


def _no_operation(name: str | None) -> GraphQLError:
    if name is None:
        return GraphQLError('The document holds several operations: say which one with "operationName".')
    return GraphQLError(f"The document holds no operation named {name[:100]!r}.")


def _too_slow(seconds: float) -> CurvecastError:
    return Unavailable(f"The query took longer than {seconds:g} s and was ended. Ask for less at once, or try again.")
