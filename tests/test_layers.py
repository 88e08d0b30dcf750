"""The staircase: each floor imports itself and the floors that the table names, and nothing above."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Floor → what it may import besides itself. A module belongs to the longest floor name that it starts with.
FLOORS: dict[str, set[str]] = {
    "app.errors": set(),
    "app.settings": {"app.errors"},
    "app.cancellation": set(),
    "app.logs": set(),
    "app.metrics": set(),
    "app.domain": {"app.errors"},
    "app.store": {"app.domain", "app.settings", "app.errors"},
    "app.bus": {"app.domain", "app.errors"},
    "app.live": {"app.bus", "app.store", "app.domain", "app.settings", "app.metrics", "app.errors"},
    "app.schema": {"app.live", "app.store", "app.domain", "app.settings", "app.errors"},
    "app.execution": {"app.schema", "app.store", "app.domain", "app.settings", "app.errors"},
    "app.fanout": {
        *("app.execution", "app.schema", "app.live", "app.store", "app.domain", "app.settings", "app.metrics"),
        "app.errors",
    },
    "app.transport": {
        *("app.fanout", "app.execution", "app.schema", "app.live", "app.store", "app.domain", "app.settings"),
        *("app.metrics", "app.errors"),
    },
    "app.application": {
        *(
            "app.transport",
            "app.fanout",
            "app.execution",
            "app.schema",
            "app.live",
            "app.bus",
            "app.store",
            "app.domain",
        ),
        *("app.settings", "app.metrics", "app.errors"),
    },
    "app.main": {"app.application", "app.settings"},
    "indexer.transaction": {"app.domain"},
    "indexer.base58": set(),
    "indexer.layouts": {"indexer.base58", "app.domain"},
    "indexer.decoders": {"indexer.layouts", "indexer.transaction", "app.domain", "app.errors"},
    "indexer.accounts": {"indexer.layouts", "app.domain", "app.errors"},
    "indexer.metadata": {"app.store", "app.domain", "app.errors"},
    "indexer.mints": {"app.domain", "app.errors"},
    "indexer.facts": {"indexer.accounts", "indexer.mints", "indexer.base58", "app.domain", "app.errors"},
    "indexer.parse": {"indexer.transaction", "indexer.base58", "indexer.wire", "indexer.rpc_json", "app.domain"},
    "indexer.rpc_json": {"indexer.wire", "indexer.decoders", "indexer.base58", "indexer.transaction", "app.domain"},
    "indexer.wire": {"indexer.base58", "indexer.transaction", "app.domain"},
    "indexer.recordings": {"indexer.parse", "indexer.transaction", "indexer.base58", "app.domain"},
    "indexer.rpc": {
        *(
            "indexer.decoders",
            "indexer.facts",
            "indexer.parse",
            "indexer.rpc_json",
            "indexer.transaction",
            "app.bus.backoff",
            "app.domain",
            "app.errors",
        ),
    },
    "indexer.sources.geyser": {
        *("indexer.sources", "indexer.decoders", "indexer.transaction", "indexer.base58"),
        *("app.bus.backoff", "app.domain", "app.errors"),
    },
    "indexer.sources": {
        *("indexer.recordings", "indexer.parse", "indexer.layouts", "indexer.transaction", "indexer.base58"),
        *(
            "indexer.facts",
            "indexer.rpc",
            "indexer.decoders",
            "app.bus.backoff",
            "app.domain",
            "app.settings",
            "app.errors",
        ),
    },
    "indexer.completeness": {"indexer.sources", "app.domain"},
    "indexer.pipeline": {
        "indexer.completeness",
        *("indexer.sources", "indexer.entries", "indexer.pools", "indexer.announcing", "indexer.transaction"),
        *("app.store", "app.domain", "app.settings", "app.errors"),
    },
    "indexer.entries": {
        "indexer.decoders",
        "indexer.pools",
        "indexer.transaction",
        "app.store",
        "app.domain",
        "app.errors",
    },
    "indexer.pools": {"indexer.decoders", "app.store", "app.domain"},
    "indexer.announcing": {"app.domain", "app.store", "app.errors"},
    "indexer.redrive": {
        *("indexer.pipeline", "indexer.entries", "indexer.pools", "indexer.decoders", "indexer.transaction"),
        *("app.store", "app.domain", "app.errors"),
    },
    "indexer.progress": {"indexer.pipeline", "indexer.sources"},
    "indexer.beside": {
        *("indexer.sources", "indexer.rpc", "indexer.metadata", "indexer.facts"),
        *("app.store", "app.domain", "app.settings"),
    },
    "indexer.backfilling": {
        *("indexer.run", "indexer.rpc", "indexer.sources", "indexer.announcing"),
        *("app.store", "app.domain", "app.settings"),
    },
    "indexer.verify": {
        *("indexer.rpc", "indexer.entries", "indexer.pools", "indexer.transaction", "app.store", "app.domain"),
    },
    "indexer.run": {
        "app.bus.backoff",
        "indexer.completeness",
        "indexer.redrive",
        "indexer.pipeline",
        "indexer.announcing",
        "indexer.pools",
        "indexer.entries",
        "indexer.sources",
        "app.store",
        "app.domain",
        "app.settings",
        "app.errors",
    },
    "curvecast": {"app", "indexer"},
}


def modules() -> list[tuple[str, Path]]:
    paths = [*ROOT.glob("app/**/*.py"), *ROOT.glob("indexer/**/*.py"), ROOT / "curvecast.py"]
    named = [(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path) for path in paths]
    return [(name, path) for name, path in named if name not in ("app", "indexer")]


def floor_of(module: str) -> str | None:
    found = [floor for floor in FLOORS if module == floor or module.startswith(floor + ".")]
    return max(found, key=len, default=None)


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from app.domain import events` names a module; `from app.errors import X` a thing in one.
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
            assert node.level == 0, f"{path.name} imports relatively"
    return {name for name in found if name.split(".")[0] in ("app", "indexer", "curvecast")}


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: str(value) if isinstance(value, str) else "")
def test_a_module_imports_only_its_own_floor_and_those_below(module: str, path: Path) -> None:
    floor = floor_of(module)
    assert floor is not None, f"{module} stands on no floor: give it a line in FLOORS"
    allowed = FLOORS[floor] | {floor}
    allowed.add("app.cancellation")  # everything that waits may be told to stop
    upward = {
        name for name in imports_of(path) if not any(name == each or name.startswith(each + ".") for each in allowed)
    }
    assert not upward, f"{module} reaches up or sideways to {sorted(upward)}"
