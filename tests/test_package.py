"""What is installed: a provider that a stock Airflow finds, a wheel that holds what it should, one version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points, metadata, version
from pathlib import Path

import pytest

import airflow_provider_3commas

ROOT = Path(__file__).resolve().parents[1]


def airflow(*arguments: str) -> str:
    """Return what the command line of Airflow prints."""
    ended = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    # Airflow logs to the standard output too.
    [answer] = (line for line in ended.stdout.splitlines() if line.startswith("[{"))
    return answer


@pytest.mark.airflow
def test_stock_airflow_lists_the_provider() -> None:
    providers = {one["package_name"]: one for one in json.loads(airflow("providers", "list", "--output", "json"))}

    assert providers["airflow-provider-3commas"]["version"] == airflow_provider_3commas.__version__


@pytest.mark.airflow
def test_stock_airflow_offers_the_connection_type() -> None:
    hooks = {one["connection_type"]: one for one in json.loads(airflow("providers", "hooks", "--output", "json"))}

    assert hooks["threecommas"]["hook_name"] == "3Commas"
    assert hooks["threecommas"]["class"].endswith("ThreeCommasHook")
    assert hooks["threecommas"]["conn_id_attribute_name"] == "threecommas_conn_id"


def test_provider_info_names_what_exists() -> None:
    from importlib import import_module

    [entry_point] = (
        one for one in entry_points(group="apache_airflow_provider") if one.dist and one.dist.name == DISTRIBUTION
    )
    info = entry_point.load()()

    assert info["package-name"] == DISTRIBUTION
    assert info["versions"][0] == airflow_provider_3commas.__version__
    for kind in ("hooks", "operators", "sensors", "triggers"):
        for group in info[kind]:
            for module in group["python-modules"]:
                import_module(module)
    for dotted in [one["hook-class-name"] for one in info["connection-types"]] + info.get("extra-links", []):
        module, _, name = dotted.rpartition(".")
        assert hasattr(import_module(module), name)


def test_there_is_one_version() -> None:
    assert version(DISTRIBUTION) == airflow_provider_3commas.__version__
    assert f'"{airflow_provider_3commas.__version__}"' not in (ROOT / "pyproject.toml").read_text()


def test_metadata_tells_who_may_install_it() -> None:
    facts = metadata(DISTRIBUTION)

    assert facts["Requires-Python"] == ">=3.11"
    assert facts["License-Expression"] == "Apache-2.0"
    assert "Framework :: Apache Airflow :: Provider" in facts.get_all("Classifier", [])


def test_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)

    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert wheel.name == f"airflow_provider_3commas-{airflow_provider_3commas.__version__}-py3-none-any.whl"
    assert {name.partition("/")[0] for name in names} == {
        "airflow_provider_3commas",
        f"airflow_provider_3commas-{airflow_provider_3commas.__version__}.dist-info",
    }
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "airflow_provider_3commas").rglob("*") if path.is_file()}
    assert {name for name in names if ".dist-info/" not in name} == {
        name for name in sources if not name.endswith(".pyc")
    }
    assert "airflow_provider_3commas/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


DISTRIBUTION = "airflow-provider-3commas"
