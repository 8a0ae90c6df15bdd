"""### Friday evening: everything into BTC

Sells everything the exchange account holds into BTC, waits until the exchange has filled the orders and the
balances have settled, and reports what happened.

**A liquidation can't be undone.** It also stops every bot, every deal and every order on the account, but Signal Bots:
stop those in 3Commas before.

**As it stands, it sells nothing.** Set up the connection `threecommas_default`, then trigger it with your account's id
and `dry_run` ticked: that does everything but sell. Scheduled runs ask nobody, they take the params' defaults below:

| `account_id` | `dry_run` | a scheduled run |
|---|---|---|
| `None`, as it is here | | fails before anything is sent: no account was named |
| your account's id | `True`, as it is here | is a rehearsal, and says so in its report |
| your account's id | `False` | **sells everything** |
"""

from __future__ import annotations

import logging
from datetime import timedelta
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
        # A scheduled run takes these as they are here: without an id it fails before anything is sent.
        "account_id": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Account id",
            description="3Commas id of the exchange account to liquidate: the number in its address in the web app.",
        ),
        "dry_run": Param(True, type="boolean", title="Dry run", description="Do everything but sell."),
    },
    # Whatever the installation's own default is: what has failed here is for a person to look at first.
    default_args={"retries": 0},
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
        # Not the param again: what is watched is the account that was sold, whatever has changed in between.
        account_id="{{ ti.xcom_pull('liquidate')['id'] }}",
        dry_run="{{ params.dry_run }}",
        target="BTC",
        deferrable=True,
        # A Signal Bot survives a sell-all, no call shows it, and it may buy back minutes later. Where that can be, look
        # for longer, so that it is noticed: stable_for=timedelta(minutes=30),
        timeout=timedelta(hours=6),
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
