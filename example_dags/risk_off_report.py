"""### Who has been taken to safety

Runs whenever an account has settled after a liquidation, whichever DAG did that: the settle sensors there add the
account's asset, `threecommas://account/ID`, to the alias `threecommas_settled`, on which this DAG is scheduled.
What the sensor saw travels with the event. Several accounts that settle at about the same time share one run.
"""

from __future__ import annotations

import logging
from typing import Any

import pendulum
from airflow.sdk import AssetAlias, dag, task

log = logging.getLogger(__name__)

SETTLED = AssetAlias("threecommas_settled")


@dag(
    dag_id="risk_off_report",
    schedule=[SETTLED],
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 0},
    doc_md=__doc__,
    tags=["3commas", "risk-off"],
)
def risk_off_report() -> None:
    """Report what other DAGs have liquidated."""

    @task
    def report(triggering_asset_events: Any) -> list[str]:
        """Tell one line an account; send them wherever you like."""
        lines = []
        for event in triggering_asset_events[SETTLED]:
            fact = event.extra
            lines.append(
                f"Account {fact['account_id']} holds {fact['target_amount']} {fact['target']}; coins worth "
                f"{fact['residual_btc']} BTC are left unsold (DAG {fact['dag_id']}, run {fact['run_id']})."
            )
        log.info("\n".join(lines) or "No account has settled: this run was started by hand.")
        return lines

    report()


risk_off_report()
