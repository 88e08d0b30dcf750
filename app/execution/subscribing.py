"""Opens a subscription: runs the resolver of its one root field, which tells how the field is fed."""

from inspect import isawaitable
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLSchema, located_error
from graphql.execution import Executor
from graphql.execution.collect_fields import collect_fields

from app.execution.resolvers import ResolverInfo, Uncovered, resolver_of


async def open_source(schema: GraphQLSchema, executor: Executor[Any]) -> Any:
    """Whatever the resolver returns. Raises GraphQLError, located at the field, for whatever it raises."""
    root_type = schema.subscription_type
    if root_type is None:
        raise GraphQLError("The schema has no subscriptions.", executor.operation)
    fields = collect_fields(
        schema, executor.fragments, executor.variable_values, root_type, executor.operation
    ).grouped_field_set
    [(name, details)] = fields.items()
    nodes = [each.node for each in details]
    try:
        return await _resolved(schema, executor, nodes[0])
    except Exception as error:
        raise located_error(error, nodes, [name]) from error


async def _resolved(schema: GraphQLSchema, executor: Executor[Any], node: FieldNode) -> Any:
    assert schema.subscription_type is not None
    field = schema.get_field(schema.subscription_type, node.name.value)
    resolver = resolver_of(schema, field) if field is not None else None
    if resolver is None:
        raise Uncovered(f"The subscription {node.name.value} has no resolver that is called once.")
    arguments = resolver.arguments(node, executor.variable_values)
    source = resolver.call(None, ResolverInfo(executor.context_value, None), arguments)
    if isawaitable(source):
        source = await source
    if isinstance(source, Exception):
        raise source
    return source
