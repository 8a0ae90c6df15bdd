"""Liquidate an exchange account, at most once a task."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator

from airflow_provider_3commas.links.account import ThreeCommasLiquidationLink
from airflow_provider_3commas.retry_policy import default_retry_policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook


class _SellAllOperator(BaseOperator):
    """Share everything but the target; the parameters are described at ``SellAllToBtcOperator``."""

    template_fields: Sequence[str] = ("account_id", "threecommas_conn_id", "account_name", "dry_run")
    operator_extra_links = (ThreeCommasLiquidationLink(),)
    ui_color = "#ffd9cc"
    ui_fgcolor = "#5c1a00"

    #: What everything is sold into.
    target: ClassVar[Literal["BTC", "USD"]]

    def __init__(
        self,
        *,
        account_id: int | str,
        threecommas_conn_id: str = "threecommas_default",
        account_name: str | None = None,
        dry_run: bool | str = False,
        preflight: bool = True,
        max_lateness: timedelta | None = timedelta(hours=1),
        allow_backfill: bool = False,
        reconcile_for: timedelta = timedelta(minutes=2),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.account_id = account_id
        self.threecommas_conn_id = threecommas_conn_id
        self.account_name = account_name
        self.dry_run = dry_run  # type: ignore[method-assign,assignment]  # the CLI's --dry-run method
        self.preflight = preflight
        self.max_lateness = max_lateness
        self.allow_backfill = allow_backfill
        self.reconcile_for = reconcile_for
        # Not a class attribute: Airflow's base class sets that back to None.
        if getattr(self, "retry_policy", None) is None:
            self.retry_policy = default_retry_policy()

    @cached_property
    def hook(self) -> ThreeCommasHook:
        """The hook of the rendered connection id; its requests go before those of the sensors."""
        from airflow_provider_3commas.budget import Priority, SleepingGate
        from airflow_provider_3commas.hooks.gates import BudgetMetrics
        from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook

        return ThreeCommasHook(
            self.threecommas_conn_id,
            gate=lambda budget: SleepingGate(budget, Priority.SELL, logger=self.log, observer=BudgetMetrics()),
        )

    def execute(self, context: Context) -> dict[str, Any]:
        """Liquidate the account, or find out what an earlier try has done about it.

        :param context: Airflow's context.
        :return: the Account.
        :raises AirflowFailException: nothing was sold, and no retry can cure why; the cause is the provider's error.
        :raises ThreeCommasError: see ``airflow_provider_3commas.api.errors``; ``OutcomeUnknown`` says that there may
            have been a sell.
        """
        from airflow_provider_3commas.liquidation.liquidator import Liquidator

        return Liquidator(self, context).run()

    def on_kill(self) -> None:
        """Say that a sell can't be undone; there is nothing to call off."""
        self.log.warning(
            "Killed. If the sell of account %s had been sent, it goes on: it can't be undone. Look at the account in "
            "3Commas.",
            self.account_id,
        )


class SellAllToBtcOperator(_SellAllOperator):
    """Sell everything an exchange account holds into BTC and stop every bot, deal and order on it, at most once.

    Can't be undone. The sell is written down before it is sent (in Airflow's task state store, 3.3 and later) and
    never repeated unless the API refused it for certain, or the account was watched for ``reconcile_for``, shows no
    trace of it, and Airflow's ``retries`` allow another try. Clearing a task that has sold sends nothing: run the DAG
    again to liquidate again.

    Returns the Account that 3Commas answered with (credentials replaced by ``***``, fractional numbers as decimal
    strings). It is a snapshot from when the orders were created, not filled: wait with ``BalancesSettledSensor``.
    XCom ``holdings_before`` is the account before the sale; XCom ``liquidation`` says what became of the sell and how
    that is known.

    :param account_id: id of the 3Commas exchange account: a positive integer, or a template that renders to one.
    :param threecommas_conn_id: id of the connection.
    :param account_name: the name that the account must bear, exactly, or nothing is sent: protects from a mistyped
        id. Needs ``preflight``.
    :param dry_run: do everything but send the sell: a bool, or a template that renders to ``True`` or ``False``.
    :param preflight: read the account first (three requests), refuse what can't work, and keep the holdings as the
        baseline. ``False`` sends the sell as the only request; what became of it is then harder to find out, and a
        sell whose outcome is unknown is never repeated.
    :param max_lateness: how long after its due time a *scheduled* run may still sell; ``None`` for any time. Manual,
        asset-triggered and API-triggered runs are never late.
    :param allow_backfill: whether a backfill run may sell.
    :param reconcile_for: how long to watch the account when the outcome of a sell is unknown. Has to be longer than
        the connection's timeouts, so that a request of an abandoned try has ended in the meantime.
    """

    target: ClassVar[Literal["BTC", "USD"]] = "BTC"


class SellAllToUsdOperator(_SellAllOperator):
    """Sell everything an exchange account holds into USD, on most exchanges a dollar stablecoin, at most once.

    Everything else, parameters included, is as in ``SellAllToBtcOperator``.
    """

    target: ClassVar[Literal["BTC", "USD"]] = "USD"
