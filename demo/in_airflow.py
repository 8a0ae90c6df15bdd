"""Run one example DAG with Airflow's ``dag.test()`` in an empty Airflow home, and write down what came of it.

Called by ``run.py``, which sets the environment: DAG id, account id, speed and the result's file.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import airflow
from airflow.models.xcom import XComModel
from airflow.utils.db import initdb
from airflow.utils.session import create_session

try:
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
except ImportError:  # before Airflow 3.2
    from airflow.models.dagbag import DagBag, sync_bag_to_db
from airflow.dag_processing.bundles.manager import DagBundlesManager


def main(dag_id: str, account_id: str, speed: str, result: str) -> None:
    """Run the DAG.

    :param dag_id: its id, which is also its file's name.
    :param account_id: the account that it is to liquidate.
    :param speed: how many times as fast as life the simulator is.
    :param result: the file to write the result to, as JSON.
    """
    initdb()
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(str(Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]) / f"{dag_id}.py"))
    sync_bag_to_db(bag, "dags-folder", None)
    dag = bag.dags[dag_id]
    # The market is faster than life, so look at it more often.
    settled = dag.get_task("settled")
    settled.poke_interval = max(settled.poke_interval / float(speed), 0.2)

    run = dag.test(run_conf={"account_id": int(account_id), "dry_run": False})

    xcoms = _xcoms(run.dag_id, run.run_id)
    facts = {
        "airflow": airflow.__version__,
        "state": str(run.state),
        "tasks": {ti.task_id: str(ti.state) for ti in _in_order(run.get_task_instances())},
        "before": xcoms.get(("liquidate", "holdings_before")),
        "settlement": xcoms.get(("settled", "return_value")),
        "report": xcoms.get(("report", "return_value")),
    }
    Path(result).write_text(json.dumps(facts), encoding="utf-8")


def _in_order(task_instances: list[Any]) -> list[Any]:
    return sorted(task_instances, key=lambda ti: (ti.start_date is None, ti.start_date))


def _xcoms(dag_id: str, run_id: str) -> dict[tuple[str, str], Any]:
    with create_session() as session:
        rows = session.query(XComModel).filter_by(dag_id=dag_id, run_id=run_id).all()
        return {(row.task_id, row.key): XComModel.deserialize_value(row) for row in rows}


if __name__ == "__main__":
    main(*sys.argv[1:])
