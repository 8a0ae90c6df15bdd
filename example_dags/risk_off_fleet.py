"""### Everything into BTC, on many accounts

Lists the exchange accounts of the connection, keeps those that match, and takes each of them to BTC on its own:
when one account fails, the others go on.

**A liquidation can't be undone**, and this DAG does it to *every* account that matches. So `dry_run` is on
by default: untick it in the trigger form when the list in `select_accounts` is the one you want.

**It never stays silent about an account.** The report names every account that matches, and the run fails if one of
them has not settled, for whatever reason: its sale was refused, its wait failed, 3Commas offers no sell-all for it, or
3Commas left out what would tell whether it matches. The reason stands beside its name. When nothing matches at all the
run fails as well, because that is what a typo looks like; tick `allow_empty` where it is fine.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pendulum
from airflow.sdk import AssetAlias, Param, TriggerRule, dag, task, task_group

from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
from airflow_provider_3commas.sensors.balances import BalancesSettledSensor

log = logging.getLogger(__name__)


def called(account: dict[str, Any]) -> str:
    """Name an account, whatever 3Commas has left out of it."""
    return f"{account.get('name') or 'An account without a name'} ({account.get('id')})"


def matches(account: dict[str, Any], params: dict[str, Any]) -> bool | None:
    """Tell whether an account is among those that were asked for; None where 3Commas has not sent what would tell."""
    wanted, exchanges = (params["name_contains"] or "").casefold(), params["market_codes"]
    name, exchange = account.get("name"), account.get("market_code")
    answers = [
        not wanted or (None if name is None else wanted in name.casefold()),
        not exchanges or (None if exchange is None else exchange in exchanges),
    ]
    return False if False in answers else None if None in answers else True


def why_not(account: dict[str, Any], params: dict[str, Any]) -> str | None:
    """Say why an account can't be taken to safety here; None for one that can."""
    if matches(account, params) is None:
        return "3Commas has not sent its name or its exchange, so it is not known whether it was meant: look at it."
    if not isinstance(account.get("id"), int):
        return "3Commas has not sent its id: look at it there."
    # Where the field is missing, the sale finds out.
    if account.get("fast_convert_available") is False:
        exchange = account.get("market_code") or "unknown"
        return f"3Commas offers no sell-all for it (exchange: {exchange}): close its positions there."
    return None


def what_became_of(settlement: dict[str, Any] | None, liquidation: dict[str, Any] | None) -> str:
    """Say in a few words what has happened to an account."""
    if settlement and settlement["settled_at"]:
        return f"settled, {settlement['target_amount']} {settlement['target']}"
    if settlement:
        return f"dry run, nothing was sold; worth {Decimal(settlement['usd_value'] or 0):,.2f} USD"
    sale = liquidation or {}
    reason = sale.get("reason") or "see the log of its tasks."
    if sale.get("outcome") == "unknown":
        return f"FAILED, and there may have been a sale: look at the account in 3Commas. {reason}"
    if sale.get("outcome") in ("refused", "not_sent", "rejected"):
        return f"FAILED, nothing was sold: {reason}"
    if sale.get("outcome"):
        return "SOLD, BUT NOT SETTLED: see the log of its sensor, and look at the account in 3Commas"
    return "FAILED: see the log of its tasks, and look at the account in 3Commas"


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
        "allow_empty": Param(
            False,
            type="boolean",
            title="Nothing to sell is fine",
            description="Succeed when no account matches. Otherwise the run fails: it may be a typo.",
        ),
        "dry_run": Param(True, type="boolean", title="Dry run", description="Do everything but sell."),
    },
    # Whatever the installation's own default is: what has failed here is for a person to look at first.
    default_args={"retries": 0},
    doc_md=__doc__,
    tags=["3commas", "risk-off"],
)
def risk_off_fleet() -> None:
    """Liquidate many accounts, each in a chain of its own."""

    @task
    def select_accounts(params: dict[str, Any], ti: Any) -> list[dict[str, Any]]:
        """List the accounts to liquidate; those that match and can't be sold go to the report, in XCom ``left_out``."""
        from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook

        asked = [account for account in ThreeCommasHook().list_accounts() if matches(account, params) is not False]
        left_out = [f"{called(account)}: {why}" for account in asked if (why := why_not(account, params))]
        for line in left_out:
            log.warning("Left out: %s", line)
        ti.xcom_push("left_out", left_out)
        selected = [account for account in asked if not why_not(account, params)]
        log.info("%s account(s): %s", len(selected), ", ".join(map(called, selected)))
        return [{"account_id": account["id"], "account_name": account.get("name") or None} for account in selected]

    @task_group
    def take_to_safety(account_id: int, account_name: str | None) -> None:
        """Liquidate one account and wait until it has settled."""
        liquidate = SellAllToBtcOperator(
            task_id="liquidate",
            account_id=account_id,
            account_name=account_name,
            dry_run="{{ params.dry_run }}",
            map_index_template="{{ ((task.account_name or task.account_id) | string)[:60] }}",
        )
        settled = BalancesSettledSensor(
            task_id="settled",
            account_id=account_id,
            dry_run="{{ params.dry_run }}",
            target="BTC",
            deferrable=True,
            timeout=timedelta(hours=6),
            outlets=[AssetAlias("threecommas_settled")],
            map_index_template="{{ task.account_id }}",
        )
        liquidate >> settled

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def report(selected: list[dict[str, Any]] | None, params: dict[str, Any], ti: Any) -> str:
        """Tell what became of each account, and fail if one of them needs a person."""
        if selected is None:
            raise RuntimeError("The accounts could not be listed: nothing was sold.")
        # Of one account, the output of a mapped group is no list; asked for by index, it is one of any number.
        indexes = list(range(len(selected)))
        settlements = ti.xcom_pull(task_ids="take_to_safety.settled", map_indexes=indexes)
        sales = ti.xcom_pull(task_ids="take_to_safety.liquidate", key="liquidation", map_indexes=indexes)
        lines = [
            f"{called({'name': account['account_name'], 'id': account['account_id']})}: {what_became_of(*seen)}"
            for account, *seen in zip(selected, settlements, sales, strict=True)
        ]
        left_out = ti.xcom_pull(task_ids="select_accounts", key="left_out") or []
        lines += [f"LEFT OUT, nothing was sold: {line}" for line in left_out]
        text = "\n".join(lines) or "No account matched: nothing was sold."
        log.info(text)
        # A task that fails returns nothing; the next one may want to send it somewhere.
        ti.xcom_push("text", text)
        if troubles := len(left_out) + settlements.count(None):
            raise RuntimeError(f"{troubles} of {len(lines)} accounts need a person.\n{text}")
        if not lines and not params["allow_empty"]:
            raise RuntimeError(f"{text} Correct name_contains or market_codes, or tick allow_empty if that is fine.")
        return text

    selected = select_accounts()
    take_to_safety.expand_kwargs(selected) >> report(selected)


risk_off_fleet()
