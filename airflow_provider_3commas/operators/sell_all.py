"""Liquidate an exchange account, at most once per task instance."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_provider_3commas.base_task import BaseTask, unchecked
from airflow_provider_3commas.links.account import ThreeCommasLiquidationLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_3commas.api.transport import RequestGate
    from airflow_provider_3commas.budget import Claims, RequestBudget
    from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook
    from airflow_provider_3commas.liquidation.liquidator import Liquidator
    from airflow_provider_3commas.targets import TargetName


class _SellAllOperator(BaseTask, BaseOperator):
    """Base class of the sell-all operators; subclasses set ``target``, ``SellAllToBtcOperator`` has the parameters."""

    template_fields: Sequence[str] = (
        "account_id",
        "threecommas_conn_id",
        "account_name",
        "dry_run",
        "preflight",
        "max_lateness",
        "not_within",
    )
    operator_extra_links = (ThreeCommasLiquidationLink(),)
    ui_color = "#ffd9cc"
    ui_fgcolor = "#5c1a00"

    #: What everything is sold into.
    target: ClassVar[TargetName]

    def __init__(
        self,
        *,
        account_id: int | str,
        threecommas_conn_id: str = "threecommas_default",
        account_name: str | None = None,
        dry_run: bool | str = False,
        preflight: bool | str = True,
        max_lateness: timedelta | float | str | None = timedelta(hours=1),
        not_within: timedelta | float | str | None = timedelta(minutes=10),
        allow_backfill: bool = False,
        reconcile_for: timedelta | float = timedelta(minutes=2),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.account_id = account_id
        self.threecommas_conn_id = threecommas_conn_id
        self.account_name = account_name
        self.dry_run = dry_run  # type: ignore[method-assign,assignment]  # the CLI's --dry-run method
        self.preflight = preflight
        self.max_lateness = max_lateness
        self.not_within = not_within
        self.allow_backfill = allow_backfill
        self.reconcile_for = reconcile_for
        self._budget: RequestBudget | None = None
        self.liquidator: Liquidator | None = None
        self._check_literals()
        self._use_default_retry_policy()

    _DEFAULTS: ClassVar[dict[str, Any]] = unchecked(__init__, "threecommas_conn_id", execution_timeout=None)

    @cached_property
    def hook(self) -> ThreeCommasHook:
        """The hook of the rendered connection id; its requests go before those of the sensors."""
        from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook

        return ThreeCommasHook(self.threecommas_conn_id, gate=self._gate)

    def _gate(self, budget: RequestBudget) -> RequestGate:
        from airflow_provider_3commas.budget import Priority
        from airflow_provider_3commas.hooks.gates import sleeping_gate

        self._budget = budget
        return sleeping_gate(budget, Priority.SELL, time_left=self._time_left, logger=self.log)

    def _time_left(self) -> float:
        """Return the seconds for which a request may wait for the budget: none but a liquidation's may."""
        return 0.0 if self.liquidator is None else self.liquidator.time_left()

    def claims(self) -> Claims:
        """Return the claims in the store that counts the hook's requests."""
        self.hook.get_conn()
        if self._budget is None:
            raise RuntimeError("the hook's client was built without its gate")
        return self._budget.claims

    def execute(self, context: Context) -> dict[str, Any]:
        """Liquidate the account, or find out what an earlier try has done.

        :param context: Airflow's context.
        :return: the Account.
        :raises AirflowFailException: retrying cannot succeed; the cause is the provider's error.
        :raises ThreeCommasError: see ``airflow_provider_3commas.api.errors``; ``OutcomeUnknown`` says that there may
            have been a sale.
        """
        from airflow_provider_3commas.operators.try_of_sale import TryOfSale

        with self._failing_for_good():
            return TryOfSale(self, context).run()

    def _check_literals(self) -> None:
        """Refuse wrong values before any run; what is templated has to wait for ``execute``."""
        if self._needs_check():
            # Light, but DAG files are parsed again and again.
            from airflow_provider_3commas.operators.sale_checks import check_literals

            check_literals(self.sale_parameters())

    def sale_parameters(self) -> dict[str, Any]:
        """Return the parameters that say what is to be sold and when, as they are written or rendered."""
        return {"target": self.target, **{name: getattr(self, name) for name in self._DEFAULTS}}

    def on_kill(self) -> None:
        """Log that a sale can't be undone; there is nothing to cancel."""
        self.log.warning(
            "Killed. If the sell of account %s had been sent, it goes on: it can't be undone. Look at the account in "
            "3Commas.",
            self.account_id,
        )


class SellAllToBtcOperator(_SellAllOperator):
    """Sell everything an exchange account holds into BTC, at most once. Can't be undone.

    Before it sells, 3Commas stops every trading entity on the account (bots, SmartTrades, trades, deals, orders),
    Signal Bots excepted. The sell-all is recorded before it is sent (in Airflow's task state store, 3.3 and later) and
    never repeated unless the API refused it for certain, or the account was watched for ``reconcile_for``, is proven
    to be untouched, and Airflow's ``retries`` allow another try. Clearing a task that has sold sends nothing: start a
    new DAG run to liquidate again.

    Signal Bots alone go on, and no call of the API shows or stops one: stop them before, in 3Commas or by their
    webhook. 3Commas may also rebalance the account, that is buy again: where it says so (``autobalance_enabled``), that
    is logged before the sale and handed on. ``stable_for`` of the sensor notices what is bought while it looks.

    Returns the Account that 3Commas answered with (credentials replaced by ``***``, fractional numbers as decimal
    strings). It is a snapshot from when the orders were created, not filled: wait with ``BalancesSettledSensor``.
    XCom ``holdings_before`` is the account before the sale. XCom ``liquidation`` says what became of it, whatever the
    end: ``outcome`` (``accepted``, ``reconciled``, ``recorded`` or ``dry_run``; of a task that failed, ``refused`` or
    ``not_sent`` if nothing was sent, ``rejected`` if 3Commas refused it for certain, ``unknown`` if there may have
    been a sale), ``reason``, ``sent_at``, ``evidence``, ``autobalance_enabled``.

    :param account_id: id of the 3Commas exchange account: a positive integer, or a template that renders to one.
    :param threecommas_conn_id: id of the connection.
    :param account_name: the name that the account must have, exactly, or nothing is sent: protects from a mistyped
        id. Needs ``preflight``.
    :param dry_run: do everything but send the sell-all: a bool, or a template that renders to ``True`` or ``False``.
    :param preflight: read the account first (three requests), refuse what can't work, and keep the holdings as the
        baseline; reads that fail are repeated for five minutes. ``"best_effort"``: sell without a baseline if they
        keep failing for one minute. ``False``: the sell-all is the only request (in mode ``paper`` the Account is
        read). Without a baseline, what became of a sell-all whose answer was lost can't be found out, and it is never
        repeated. A bool, or a template that renders to one of the three.
    :param max_lateness: how long after it was due a run may still sell: a ``timedelta`` or seconds; ``None`` for any
        time. Counts from the run's ``run_after``, for scheduled, manual, triggered and asset runs alike: a run may
        have waited in a queue, or on a paused DAG.
    :param not_within: refuse if another task has liquidated this account less than this long ago, or is liquidating
        it: a ``timedelta`` or seconds, up to 30 days; ``None`` for never. Seen by all tasks with the same API key that
        count their requests in the same store: on one machine, or through ``budget_url``.
    :param allow_backfill: whether a backfill run may sell, however late.
    :param reconcile_for: how long to watch the account when the outcome of a sell-all is unknown: a ``timedelta`` or
        seconds. Has to be longer than the connection's timeouts, so that a request of an abandoned try has ended in
        the meantime, and shorter than ``execution_timeout``.
    """

    target: ClassVar[TargetName] = "BTC"


class SellAllToUsdOperator(_SellAllOperator):
    """Sell everything an exchange account holds into USD, on most exchanges a dollar stablecoin, at most once.

    Everything else, parameters included, is as in ``SellAllToBtcOperator``.
    """

    target: ClassVar[TargetName] = "USD"
