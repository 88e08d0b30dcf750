"""The wheel holds what the command needs: it is installed beside its libraries and asked."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ASK = """
from pathlib import Path
from app.settings import Settings
from app.transport.ide import ASSETS, read_operations
import app
print(Path(app.__file__).parent)
print(len(read_operations(Settings.from_env({}).contract_dir / "operations")))
print((ASSETS / "index.html").is_file())
from app.store import migrate
print(migrate._config().get_main_option("script_location"))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout and unpacked: what an installation has, without the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, cwd=folder, capture_output=True)
    site = folder / "site"
    with zipfile.ZipFile(next(folder.glob("curvecast-*.whl"))) as wheel:
        wheel.extractall(site)
    # graphql-core lies beside an installed package: a folder `graphql` that is not our contract.
    (site / "graphql").mkdir()
    return site


def test_an_installed_curvecast_finds_its_operations_its_migrations_and_graphiql(installed: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    answer = subprocess.run(
        [sys.executable, "-P", "-c", ASK], check=True, capture_output=True, text=True, cwd=installed, env=environment
    )
    package, operations, has_graphiql, migrations = answer.stdout.split()
    assert package == str(installed / "app")
    assert int(operations) == len(list((ROOT / "graphql" / "operations").glob("*.graphql")))
    assert has_graphiql == "True"
    assert migrations == str(installed / "app" / "store" / "migrations")


def test_the_wheel_shadows_no_library(installed: Path) -> None:
    assert {path.name for path in installed.iterdir() if path.is_dir()} - {"graphql"} == {
        "app",
        "indexer",
        "node",
        next(installed.glob("*.dist-info")).name,
    }
