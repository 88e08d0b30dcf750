"""Text of a document to a document that may run: parsed, within the limits, valid. The newest are kept, with the plans
that were compiled of them."""

import re
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import Final

from graphql import DocumentNode, GraphQLError, GraphQLSchema, GraphQLSyntaxError, parse, specified_rules, validate
from graphql.validation import MaxIntrospectionDepthRule

from app.errors import CostExceeded
from app.execution.compiled import Plans, Shelf
from app.schema.limits import check_shape, exceeded
from app.settings import Settings

_KEPT: Final = 1_000
_KEPT_CHARACTERS: Final = 8_192
"""Longer documents are not kept: 1,000 of them must not fill the memory."""
_MOST_ERRORS: Final = 10
"""Each unknown name costs a search for one like it."""
_TOKEN: Final = re.compile(
    r"""(?P<ignored>[\s,\ufeff]++)
    |\"\"\"(?:[^"\\]|\\\"\"\"|\\|"(?!""))*+(?:\"\"\"|\Z)
    |"(?:[^"\\\n]|\\.)*+"?
    |\#[^\n]*+
    |[_A-Za-z]\w*+
    |-?[0-9][\w.+-]*+
    |\.\.\.
    |.""",
    re.ASCII | re.DOTALL | re.VERBOSE,
)
"""Splits any text as the lexer would, at a hundredth of its cost; comments count, as they do there. Each alternative
keeps what it has scanned, also of a string that never ends, so that time is linear in the text whatever it holds."""
_RULES: Final = tuple(dict.fromkeys((*specified_rules, MaxIntrospectionDepthRule)))


class Refused(Exception):
    """The document cannot run; why, for the client."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A document that may run."""

    node: DocumentNode
    plans: Plans


class Documents:
    """Reads documents against one schema."""

    def __init__(self, schema: GraphQLSchema, settings: Settings) -> None:
        self._schema = schema
        self._settings = settings
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._shelf = Shelf()

    def read(self, text: str) -> Document:
        """The document. Raises Refused: a syntax error, a limit, or at most ten validation errors."""
        document = self._kept.get(text)
        if document is None:
            document = self._prepare(text)
            self._keep(text, document)
        else:
            self._kept.move_to_end(text)
        return document

    def _prepare(self, text: str) -> Document:
        document = self._parse(text)
        try:
            check_shape(document, self._settings)
        except CostExceeded as error:
            raise Refused([GraphQLError(str(error), original_error=error)]) from None
        errors = validate(self._schema, document, _RULES, max_errors=_MOST_ERRORS)
        if errors:
            raise Refused(errors)
        return Document(document, Plans(self._schema, document, self._shelf))

    def _parse(self, text: str) -> DocumentNode:
        limit = self._settings.max_tokens
        tokens = (match for match in _TOKEN.finditer(text) if match.lastgroup is None)
        if sum(1 for _ in islice(tokens, limit + 1)) > limit:
            error = exceeded("tokens", limit, "Send a shorter document, and values as variables.")
            raise Refused([GraphQLError(str(error), original_error=error)])
        try:
            # The scan above is no lexer: what it was deceived by still ends at the limit.
            return parse(text, max_tokens=limit)
        except GraphQLSyntaxError as error:
            raise Refused([error]) from None

    def _keep(self, text: str, document: Document) -> None:
        if len(text) > _KEPT_CHARACTERS:
            return
        self._kept[text] = document
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
