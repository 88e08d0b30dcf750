"""Settings: every one is in `.env.example` with its default, and a wrong one is told by its name."""

from dataclasses import fields
from pathlib import Path

import pytest

from app.errors import StartupError
from app.settings import Settings

ROOT = Path(__file__).resolve().parent.parent


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def test_the_example_lists_every_setting_and_nothing_else() -> None:
    assert set(example()) == {f"CURVECAST_{each.name.upper()}" for each in fields(Settings)}


def test_the_example_gives_the_defaults() -> None:
    given = {name: value for name, value in example().items() if value}
    shown, default = Settings.from_env(given), Settings()
    for each in fields(Settings):
        assert str(getattr(shown, each.name)) == str(getattr(default, each.name))


def test_a_value_that_cannot_be_read_is_told_by_its_name() -> None:
    with pytest.raises(StartupError, match="CURVECAST_PORT is not a whole number"):
        Settings.from_env({"CURVECAST_PORT": "eight thousand"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("CURVECAST_SOL_USD", value) for value in ("abc", "-5", "0", "NaN", "1e9", "Infinity")),
        *(("CURVECAST_PORT", value) for value in ("99999", "-1")),
        *(("CURVECAST_MAX_DEPTH", "0"), ("CURVECAST_MAILBOX_SIZE", "-3"), ("CURVECAST_QUERY_TIMEOUT_SECONDS", "nan")),
    ],
)
def test_a_value_that_cannot_work_is_told_by_its_name_before_anything_starts(name: str, value: str) -> None:
    with pytest.raises(StartupError, match=name):
        Settings.from_env({name: value})


def test_secrets_do_not_show_in_what_is_printed() -> None:
    settings = Settings.from_env({"CURVECAST_DATABASE_URL": "postgresql://me:hidden@host/db"})
    assert "hidden" not in repr(settings)
