"""Every file of graphql/operations: one valid operation, named as its file, that answers on a seeded store as recorded.

`CURVECAST_RECORD_ANSWERS=1 pytest tests/schema/test_operations.py` writes the answers anew; read their diff.
"""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asking import Asked
from factories import market, pool_of
from graphql import OperationDefinitionNode, OperationType, parse, validate

from app.bus.feed import Bus
from app.domain.cursors import Cursors
from app.live.hub import Hub
from app.schema import core_schema, schema
from app.schema.context import Context
from app.settings import MEMORY, Settings
from app.store.stats import recompute_stats

_FILES = sorted((Settings().contract_dir / "operations").glob("*.graphql"))
_ANSWERS = Path(__file__).parent / "answers"
_OF_THE_MOMENT = {"ServerStatus"}
"""Their answers tell the wall clock."""


def _operation(file: Path) -> OperationDefinitionNode:
    [found] = [each for each in parse(file.read_text()).definitions if isinstance(each, OperationDefinitionNode)]
    return found


_QUERIES = [file for file in _FILES if _operation(file).operation is OperationType.QUERY]


def _names(files: list[Path]) -> list[str]:
    return [file.stem for file in files]


@pytest.mark.parametrize("file", _FILES, ids=_names(_FILES))
def test_an_operation_is_valid_named_as_its_file_and_says_what_it_is_for(file: Path) -> None:
    name = _operation(file).name

    assert validate(core_schema, parse(file.read_text())) == []
    assert name is not None
    assert name.value == file.stem
    assert file.read_text().startswith("# ")


@pytest.fixture
async def seeded(store: Asked) -> Asked:
    """A market whose answers are the same on every run."""
    story = market(seed=3, length=200, tokens=5)
    await store.write([event for event, _ in story], [each for _, held in story for each in held])
    await recompute_stats(store.engine)
    return replace(store, cursors=Cursors("a store with a known name"))


@pytest.mark.parametrize("file", _QUERIES, ids=_names(_QUERIES))
async def test_an_operation_answers_on_a_seeded_store_as_recorded(seeded: Asked, file: Path) -> None:
    busiest = max(
        {each.mint for each in seeded.trades}, key=lambda mint: sum(each.mint == mint for each in seeded.trades)
    )
    variables = {
        "mint": busiest,
        "mints": sorted({each.mint for each in seeded.trades}),
        "wallet": seeded.trades[-1].trader,
        "address": seeded.trades[-1].trader,
        "pool": pool_of(busiest),
    }
    given = {each.variable.name.value: None for each in _operation(file).variable_definitions or ()}
    context = Context(seeded.engine, seeded.cursors, seeded.settings, Hub(seeded.engine, Bus(MEMORY)))

    result = await schema.execute(file.read_text(), {name: variables[name] for name in given}, context_value=context)

    assert result.errors is None
    assert all(value is not None for value in (result.data or {}).values())
    if file.stem not in _OF_THE_MOMENT:
        assert result.data == _recorded(file.stem, result.data)


def _recorded(name: str, answer: Any) -> Any:
    file = _ANSWERS / f"{name}.json"
    if os.environ.get("CURVECAST_RECORD_ANSWERS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(answer, indent=1) + "\n")
    return json.loads(file.read_text())
