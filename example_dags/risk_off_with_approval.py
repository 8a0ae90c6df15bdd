"""### Friday evening: everything into BTC, if a person says so

Shows what is on the account, asks whether to sell it, and only then liquidates. The question stands in Airflow under
*Required Actions*. **A liquidation can't be undone.** It also stops every bot, every deal and every order on the
account, but Signal Bots: stop those in 3Commas before.

**As it stands, it asks and sells nothing.** A scheduled run takes the params' defaults below: without an `account_id`
it fails before anybody is asked, and with `dry_run` on, a yes is a yes to a rehearsal. Fill in the one, then switch the
other off.

**No answer is a no.** After 45 minutes the question counts as rejected: nothing is sold, and the report says so. Keep
this deadline (`response_timeout`) shorter than `max_lateness` of `liquidate` (1 hour): an answer that comes after that
is too late, because a run that was due or triggered longer ago than that refuses to sell.

**Who may answer:** everybody who may edit the DAG's tasks; `assigned_users` of `approve` narrows that down.

**What clearing does to an old approval.** Airflow keeps the answer as long as `approve` itself is not cleared:

| you clear | is anybody asked again? | is anything sold? |
|---|---|---|
| only `liquidate`, which **has sold** | no | no: a task that has sold sends nothing when it is cleared |
| only `liquidate`, which has **not** sold | **no: the old approval counts** | **yes**, until `max_lateness` is over |
| only `liquidate`, after a no | no | no: it is skipped again |
| `approve`, with all that is downstream | yes | after a new yes, and only if this run has not sold before |

So after a failure, clear `approve` with everything downstream, never `liquidate` alone. To liquidate a second time,
start a new run: it asks by itself.

Needs `apache-airflow-providers-standard` 1.13 or later; before Airflow 3.3, questions also need a running triggerer.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pendulum
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import AssetAlias, Param, TriggerRule, dag, task

from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
from airflow_provider_3commas.sensors.balances import BalancesSettledSensor

log = logging.getLogger(__name__)


@dag(
    dag_id="risk_off_with_approval",
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
            description="The 3Commas id of the exchange account: the number in its address in the web app.",
        ),
        "dry_run": Param(True, type="boolean", title="Dry run", description="Do everything but sell."),
    },
    # Whatever the installation's own default is: what has failed here is for a person to look at first.
    default_args={"retries": 0},
    doc_md=__doc__,
    tags=["3commas", "risk-off"],
)
def risk_off_with_approval() -> None:
    """Show, ask, liquidate, wait until it has settled, report."""

    @task
    def look(params: dict[str, Any]) -> str:
        """Describe the account, for whoever has to decide."""
        from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook
        from airflow_provider_3commas.report import as_markdown

        hook = ThreeCommasHook()
        account = hook.get_account(params["account_id"])
        rows = sorted(hook.get_balances(account["id"]), key=lambda row: row.btc_value or 0, reverse=True)
        counts = hook.get_active_entities(account["id"]).values()
        # A count that could not be read is not zero.
        running = f"{sum(filter(None, counts))}{' or more' if None in counts else ''}"
        # What people call an account, and what an exchange calls a coin, is text: not a word of it may look like ours.
        name = as_markdown(str(account.get("name") or "")) or "An account without a name"
        coins = [(as_markdown(row.currency_code), row) for row in rows]
        return "\n".join(
            [
                f"{name} ({account['id']}) is worth {Decimal(account['btc_amount']):.8f} BTC, "
                f"{Decimal(account['usd_amount']):,.2f} USD.",
                f"{running} bots, deals and orders run on it; they would be stopped. Signal Bots, which no call shows, "
                "would go on.",
                "",
                "| coin | amount | USD |",
                "|---|---:|---:|",
                *(f"| {coin} | {row.position or 0:f} | {row.usd_value or 0:,.2f} |" for coin, row in coins),
            ]
        )

    approve = ApprovalOperator(
        task_id="approve",
        subject="Sell everything on account {{ params.account_id }} into BTC{{ ' (dry run)' if params.dry_run }}?",
        body="{{ ti.xcom_pull(task_ids='look') }}",
        defaults="Reject",
        response_timeout=timedelta(minutes=45),
    )

    liquidate = SellAllToBtcOperator(
        task_id="liquidate",
        account_id="{{ params.account_id }}",
        dry_run="{{ params.dry_run }}",
    )

    settled = BalancesSettledSensor(
        task_id="settled",
        # Not the param again: what is watched is the account that was sold, whatever has changed in between.
        account_id="{{ ti.xcom_pull('liquidate')['id'] }}",
        dry_run="{{ params.dry_run }}",
        target="BTC",
        deferrable=True,
        timeout=timedelta(hours=6),
        outlets=[AssetAlias("threecommas_settled")],
    )

    @task(trigger_rule=TriggerRule.NONE_FAILED)
    def report(settlement: dict[str, Any] | None, ti: Any) -> str:
        """Tell what came of the question; send it wherever you like."""
        if settlement is None:
            text = "Rejected, or nobody has answered in time: nothing was sold."
            log.warning(text)
            return text
        # Not an argument: what comes directly after an approval is skipped by a no, and this is to run then too.
        approval = ti.xcom_pull(task_ids="approve") or {}
        person = (approval.get("responded_by_user") or {}).get("name", "somebody")
        outcome = "has settled" if settlement["settled_at"] else "was not sold: dry run"
        text = (
            f"Approved by {person}. Account {settlement['account_id']} {outcome}; it holds "
            f"{settlement['target_amount']} {settlement['target']}, all in all worth "
            f"{Decimal(settlement['usd_value']):,.2f} USD."
        )
        log.info(text)
        return text

    look() >> approve >> liquidate >> settled
    report(settled.output)


risk_off_with_approval()
