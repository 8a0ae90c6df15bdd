"""What importing this package loads: DAG files are parsed again and again, and every module is paid for each time."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_SCRIPT = """
import json, sys, warnings
warnings.simplefilter("ignore")
{first}
before = set(sys.modules)
import {module}
print(json.dumps(sorted(set(sys.modules) - before)))
"""

HEAVY = {"requests", "cryptography", "urllib3", "httpx", "fastapi", "uvicorn", "redis", "pyrate_limiter", "sqlite3"}


def loaded_by(module: str, first: str) -> list[str]:
    """Return what a fresh interpreter loads for a module after having run ``first``."""
    script = _SCRIPT.format(first=first, module=module)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    names: list[str] = json.loads(ended.stdout.splitlines()[-1])
    return names


@pytest.mark.parametrize(
    "module",
    [
        "airflow_provider_3commas.operators.sell_all",
        "airflow_provider_3commas.sensors.balances",
        "airflow_provider_3commas.operators.sell_all, airflow_provider_3commas.sensors.balances",
    ],
)
def test_dag_files_pay_for_few_modules_and_no_http_stack(module: str) -> None:
    names = loaded_by(module, first="import airflow.sdk; from airflow.sdk import BaseOperator, BaseSensorOperator, dag")

    assert len(names) <= 15, names
    assert not HEAVY & {name.partition(".")[0] for name in names}


def test_provider_info_loads_nothing_but_this_package() -> None:
    names = loaded_by("airflow_provider_3commas.provider_info", first="import __future__, typing")

    assert set(names) == {"airflow_provider_3commas", "airflow_provider_3commas.provider_info"}


def test_simulator_loads_no_airflow() -> None:
    names = loaded_by("airflow_provider_3commas.simulator.app", first="pass")

    assert not {"airflow", "requests"} & {name.partition(".")[0] for name in names}
    assert not [name for name in names if name.startswith("airflow_provider_3commas.api")]
