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
{code}
print(json.dumps(sorted(set(sys.modules) - before)))
"""

HEAVY = {"requests", "cryptography", "urllib3", "httpx", "fastapi", "uvicorn", "redis", "pyrate_limiter", "sqlite3"}


_DAG = """
from airflow.sdk import dag
from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
from airflow_provider_3commas.sensors.balances import BalancesSettledSensor

@dag(schedule=None)
def risk_off():
    account = "{{ var.value.risk_account }}"
    liquidate = SellAllToBtcOperator(task_id="liquidate", account_id=account)
    liquidate >> BalancesSettledSensor(task_id="settled", account_id=account, deferrable=True)

risk_off()
"""


def loaded_by(code: str, first: str) -> list[str]:
    """Return what a fresh interpreter loads for some code after having run ``first``."""
    script = _SCRIPT.format(first=first, code=code)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    names: list[str] = json.loads(ended.stdout.splitlines()[-1])
    return names


@pytest.mark.parametrize(
    "module",
    [
        "airflow_provider_3commas.operators.sell_all",
        "airflow_provider_3commas.sensors.balances",
        "airflow_provider_3commas.operators.sell_all, airflow_provider_3commas.sensors.balances",
        "airflow_provider_3commas.operators.api_request",
    ],
)
def test_dag_files_pay_for_few_modules_and_no_http_stack(module: str) -> None:
    names = loaded_by(
        f"import {module}", first="import airflow.sdk; from airflow.sdk import BaseOperator, BaseSensorOperator, dag"
    )

    assert len(names) <= 15, names
    assert not HEAVY & {name.partition(".")[0] for name in names}


def test_a_dag_of_both_loads_none_of_their_workings() -> None:
    names = loaded_by(_DAG, first="import airflow.sdk")

    assert {name for name in names if name.startswith("airflow_provider_3commas.")} == {
        "airflow_provider_3commas.base_task",
        "airflow_provider_3commas.links",
        "airflow_provider_3commas.links.account",
        "airflow_provider_3commas.operators",
        "airflow_provider_3commas.operators.sell_all",
        "airflow_provider_3commas.retry_policy",
        "airflow_provider_3commas.sensors",
        "airflow_provider_3commas.sensors.balances",
    }
    assert not HEAVY & {name.partition(".")[0] for name in names}


def test_a_dag_that_asks_the_api_loads_its_rules_and_no_http_stack() -> None:
    code = (
        "from airflow_provider_3commas.operators.api_request import ThreeCommasOperator; "
        "ThreeCommasOperator(task_id='t', endpoint='/ver1/bots', query={'limit': 100})"
    )
    names = loaded_by(code, first="import airflow.sdk; from airflow.sdk import BaseOperator")

    assert len([name for name in names if name.startswith("airflow_provider_3commas.")]) <= 10, names
    assert not HEAVY & {name.partition(".")[0] for name in names}


def test_provider_info_loads_nothing_but_this_package() -> None:
    names = loaded_by("import airflow_provider_3commas.provider_info", first="import __future__, typing")

    assert set(names) == {"airflow_provider_3commas", "airflow_provider_3commas.provider_info"}


def test_simulator_loads_no_airflow() -> None:
    names = loaded_by("import airflow_provider_3commas.simulator.app", first="pass")

    assert not {"airflow", "requests"} & {name.partition(".")[0] for name in names}
    assert not [name for name in names if name.startswith("airflow_provider_3commas.api")]
