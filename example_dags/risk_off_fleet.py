"""### Everything into BTC, on many accounts

Lists the exchange accounts of the connection, keeps those that match, and takes each of them to BTC on its own:
when one account fails, the others go on. The report names every account, and fails if any has not settled.

**A liquidation can't be undone**, and this DAG does it to *every* account that matches. So `dry_run` is on
by default: untick it in the trigger form when the list in `select_accounts` is the one you want.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pendulum
from airflow.sdk import AssetAlias, Param, TriggerRule, dag, task, task_group

from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
from airflow_provider_3commas.sensors.balances import BalancesSettledSensor

log = logging.getLogger(__name__)


def matches(account: dict[str, Any], params: dict[str, Any]) -> bool:
    """Tell whether an account is among those that were asked for."""
    wanted, exchanges = params["name_contains"] or "", params["market_codes"]
    return wanted.casefold() in account["name"].casefold() and (
        not exchanges or account.get("market_code") in exchanges
    )


def sellable(accounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the accounts that 3Commas can liquidate, and name the others in the log."""
    for account in accounts:
        if not account.get("fast_convert_available"):
            log.warning(
                "Left out: %s (%s). 3Commas offers no sell-all for it (exchange: %s): close its positions there.",
                account["name"],
                account["id"],
                account.get("market_code", "unknown"),
            )
    return [account for account in accounts if account.get("fast_convert_available")]


@dag(
    dag_id="risk_off_fleet",
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    params={
        "name_contains": Param(
            None,
            type=["null", "string"],
            title="Name contains",
            description="Only accounts whose name contains this, in any case; empty for all.",
        ),
        "market_codes": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            title="Exchanges",
            description="Only accounts on these, for example binance or kraken; empty for all.",
        ),
        "dry_run": Param(True, type="boolean", title="Dry run", description="Do everything but sell."),
    },
    doc_md=__doc__,
    tags=["3commas", "risk-off"],
)
def risk_off_fleet() -> None:
    """Liquidate many accounts, each in a chain of its own."""

    @task
    def select_accounts(params: dict[str, Any]) -> list[dict[str, Any]]:
        """List the accounts to liquidate; those without a sell-all are left out, and named in the log."""
        from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook

        accounts = [account for account in ThreeCommasHook().list_accounts() if matches(account, params)]
        selected = [{"account_id": account["id"], "account_name": account["name"]} for account in sellable(accounts)]
        log.info("%s account(s): %s", len(selected), ", ".join(account["account_name"] for account in selected))
        return selected

    @task_group
    def take_to_safety(account_id: int, account_name: str) -> Any:
        """Liquidate one account and wait until it has settled."""
        liquidate = SellAllToBtcOperator(
            task_id="liquidate",
            account_id=account_id,
            account_name=account_name,
            dry_run="{{ params.dry_run }}",
            map_index_template="{{ (task.account_name | string)[:60] }}",
        )
        settled = BalancesSettledSensor(
            task_id="settled",
            account_id=account_id,
            dry_run="{{ params.dry_run }}",
            target="BTC",
            deferrable=True,
            outlets=[AssetAlias("threecommas_settled")],
            map_index_template="{{ task.account_id }}",
        )
        liquidate >> settled
        return settled.output

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def report(selected: list[dict[str, Any]] | None, settlements: list[dict[str, Any]] | None) -> str:
        """Tell what became of each account, and fail if one of them needs a person."""
        if selected is None:
            raise RuntimeError("The accounts could not be listed: nothing was sold.")
        by_account = {settlement["account_id"]: settlement for settlement in settlements or ()}
        lines, failed = [], []
        for account in selected:
            settlement = by_account.get(account["account_id"])
            if settlement is None:
                outcome = "FAILED: see the log of its tasks, and look at the account in 3Commas"
                failed.append(account["account_name"])
            elif settlement["settled_at"]:
                outcome = f"settled, {settlement['target_amount']} {settlement['target']}"
            else:
                outcome = f"dry run, nothing was sold; worth {Decimal(settlement['usd_value']):,.2f} USD"
            lines.append(f"{account['account_name']} ({account['account_id']}): {outcome}")
        text = "\n".join(lines) or "No account matched."
        log.info(text)
        if failed:
            raise RuntimeError(f"{len(failed)} of {len(selected)} accounts have not settled: {', '.join(failed)}")
        return text

    selected = select_accounts()
    report(selected, take_to_safety.expand_kwargs(selected))


risk_off_fleet()
