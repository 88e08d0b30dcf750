"""Folders that share a name with a library stay folders: with an `__init__.py` they would shadow it."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("folder", ["graphql", "alembic"])
def test_a_folder_named_like_a_library_does_not_shadow_it(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()
    spec = importlib.util.find_spec(folder)
    assert spec is not None
    assert spec.origin is not None, f"`import {folder}` finds our folder instead of the library"
    assert "site-packages" in spec.origin


def test_the_contract_folder_holds_no_python() -> None:
    assert list((ROOT / "graphql").rglob("*.py")) == []


def test_alembic_holds_only_its_environment_and_the_migrations() -> None:
    python = {path.relative_to(ROOT / "alembic").parts[0] for path in (ROOT / "alembic").rglob("*.py")}
    assert python <= {"env.py", "versions"}


def test_there_are_no_catch_all_modules() -> None:
    names = {"utils", "helpers", "common", "core", "models", "misc"}
    found = [path for path in [*ROOT.glob("app/**/*"), *ROOT.glob("indexer/**/*")] if path.stem in names]
    assert found == []


def test_no_package_is_a_test_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
