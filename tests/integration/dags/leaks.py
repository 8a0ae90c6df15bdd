"""Everything that could carry a credential into a log, an XCom, a rendered field or the database."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import pendulum
from airflow.sdk import AssetAlias, BaseHook, dag, task

from airflow_provider_3commas.api import ThreeCommasError
from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook
from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator, SellAllToUsdOperator
from airflow_provider_3commas.sensors.balances import BalancesSettledSensor

log = logging.getLogger(__name__)

ACCOUNT = "{{ dag_run.conf['accounts'][task.task_id.partition('_')[0]] }}"


@dag(schedule=None, start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), catchup=False)
def leaks() -> None:
    for name, operator, mode in (
        ("rsa", SellAllToBtcOperator, {"deferrable": True}),
        ("flaky", SellAllToUsdOperator, {"mode": "reschedule"}),
        ("wrong", SellAllToBtcOperator, {"deferrable": True}),
        ("broken", SellAllToBtcOperator, {}),
    ):
        common: dict[str, Any] = {"account_id": ACCOUNT, "threecommas_conn_id": f"threecommas_{name}"}
        sell = operator(task_id=f"{name}_liquidate", **common)
        settle = BalancesSettledSensor(
            task_id=f"{name}_settled",
            target="USD" if operator is SellAllToUsdOperator else "BTC",
            poke_interval=3,
            retries=0 if name in ("wrong", "broken") else 3,
            retry_delay=1,
            trigger_rule="all_done",
            max_failures=2,
            outlets=[AssetAlias("threecommas_settled")],
            **common,
            **mode,
        )
        sell >> settle

    @task
    def talk(conn_id: str) -> dict[str, Any]:
        """Say and return what a careless DAG would, of what the hook gives away."""
        hook = ThreeCommasHook(conn_id)
        client = hook.get_conn()
        print(hook, vars(hook), client, vars(client), hook.test_connection())
        return {"accounts": hook.list_accounts(), "client": repr(client)}

    for name in ("rsa", "flaky", "wrong", "broken"):
        talk.override(task_id=f"{name}_talk")(f"threecommas_{name}")


@dag(schedule=None, start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), catchup=False)
def shouts() -> None:
    @task
    def shout(conn_id: str) -> None:
        """Print the credentials themselves, and fail with them in the exception: the hook has had them masked."""
        connection = BaseHook.get_connection(conn_id)
        with suppress(ThreeCommasError):
            ThreeCommasHook(conn_id).get_conn()
        credentials = f"{connection.login} {connection.password} {connection.extra} {connection.extra_dejson}"
        print(credentials)
        log.warning("%s", credentials)
        raise RuntimeError(credentials)

    for name in ("rsa", "flaky", "wrong", "broken"):
        shout.override(task_id=name)(f"threecommas_{name}")


leaks()
shouts()
