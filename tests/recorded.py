"""The recorded chain data beside the repository, for tests: absent on other machines, and said so."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def needs_recordings() -> pytest.MarkDecorator:
    """Skips, with the reason, where the recordings are not there."""
    return pytest.mark.skipif(not DATA.is_dir(), reason="no recordings at ../shared/data")


def names(folder: str, pattern: str = "*.json") -> list[str]:
    """The file names of a folder of recordings; empty where there are none."""
    return sorted(file.name for file in (DATA / folder).glob(pattern))


def load(*parts: str) -> Any:
    """One recorded JSON document, gunzipped where needed."""
    file = DATA.joinpath(*parts)
    return json.loads(gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes())


def raw(*parts: str) -> bytes:
    return DATA.joinpath(*parts).read_bytes()
