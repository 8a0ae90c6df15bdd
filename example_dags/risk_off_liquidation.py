"""### Friday evening: everything into BTC

Sells everything the exchange account holds into BTC, waits until the exchange has filled the orders and the
balances have settled, and reports what happened.

**A liquidation can't be undone.** It also stops every bot, every deal and every order on the account.

Before the first run: set up the connection `threecommas_default`, put your own account id into `account_id` below
(or trigger the DAG with another one), and run it once with `dry_run` ticked: that does everything but sell.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pendulum
from airflow.sdk import AssetAlias, Param, dag, task

from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
from airflow_provider_3commas.sensors.balances import BalancesSettledSensor

log = logging.getLogger(__name__)


@dag(
    dag_id="risk_off_liquidation",
    schedule="0 21 * * 5",
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    params={
        "account_id": Param(
            32402783,
            type="integer",
            minimum=1,
            title="Account id",
            description="3Commas id of the exchange account to liquidate: the number in its address in the web app.",
        ),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Do everything but sell."),
    },
    doc_md=__doc__,
    tags=["3commas", "risk-off"],
)
def risk_off_liquidation() -> None:
    """Liquidate, wait until it has settled, report."""
    liquidate = SellAllToBtcOperator(
        task_id="liquidate",
        account_id="{{ params.account_id }}",
        dry_run="{{ params.dry_run }}",
    )

    # When the account has settled, its asset, threecommas://account/ID, joins this alias. That starts risk_off_report.
    settled = BalancesSettledSensor(
        task_id="settled",
        account_id="{{ params.account_id }}",
        dry_run="{{ params.dry_run }}",
        target="BTC",
        deferrable=True,
        outlets=[AssetAlias("threecommas_settled")],
    )

    @task
    def report(account: dict[str, Any], settlement: dict[str, Any]) -> str:
        """Tell in a few lines what happened; send them wherever you like."""
        left = ", ".join(f"{row['amount']} {row['currency']}" for row in settlement["residual"]) or "nothing"
        if settlement["settled_at"]:
            outcome = f"settled within {settlement['waited_seconds']} s"
        else:
            outcome = "dry run, nothing was sold"
        text = (
            f"{account['name']} ({account['id']}): {outcome}. It holds {settlement['target_amount']} "
            f"{settlement['target']} and, beside that, {left}; worth {Decimal(settlement['usd_value']):,.2f} USD."
        )
        log.info(text)
        return text

    liquidate >> settled
    report(liquidate.output, settled.output)


risk_off_liquidation()
