"""Wait until the balances of an exchange account have settled after a liquidation."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import conf
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_3commas.base_task import BaseTask, silent_teardown, unchecked
from airflow_provider_3commas.links.account import ThreeCommasLiquidationLink

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from decimal import Decimal

    from airflow.sdk import Context

    from airflow_provider_3commas.api.transport import RequestGate
    from airflow_provider_3commas.budget import RequestBudget
    from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook
    from airflow_provider_3commas.settlement.sensor_run import SensorRun
    from airflow_provider_3commas.settlement.state import Decision

# Seconds that the trigger has to fire by itself when the time is over, before Airflow ends the deferral: it knows what
# is left unsold, and Airflow does not.
_DEFERRAL_MARGIN = 120.0
# Longest pause between the polls that a rescheduled sensor makes in a row where nothing can be remembered.
_MAX_PAUSE_UNSAVED = 10.0


class BalancesSettledSensor(BaseTask, BaseSensorOperator):
    """Wait until nothing sellable is left on an exchange account but what it was to be sold into.

    Settled: no asset but the target is worth more than ``dust_btc``, nothing is in orders, nothing is owed, no bot,
    deal or trade is active, and the balances add up to the account's value; all this on ``stable_reads`` reads in a
    row with the same amount of the target, and for ``stable_for`` without a break.

    A sell-all does not stop Signal Bots, and no call of the API shows one: it shows only while it has a SmartTrade
    open. An account can be settled and be bought back minutes later. Stop Signal Bots in 3Commas, or by their webhook,
    before the sale; ``stable_for`` looks for longer, so that a buy-back is noticed.

    Returns ``{account_id, target, settled_at, target_amount, btc_value, usd_value, residual: [{currency, amount,
    btc_value}], reads, waited_seconds}``: amounts and values as decimal text, ``btc_value`` and ``usd_value`` of the
    whole account, ``residual`` what is left beside the target, the most valuable first. XCom ``settlement_history`` is
    the unsold value over time. XCom ``settlement_facts`` has the ``criteria``, the number of ``requests`` (``None`` if
    it is not known) and, where the account has not settled, the ``result`` of the last poll. With an ``AssetAlias``,
    or an ``Asset`` ``threecommas://account/ID``, among the ``outlets``, the event carries the outcome.

    Decides the same in poke, reschedule and deferrable mode. Fails with ``BalancesStalled`` when nothing moves any
    more and something is left; with ``SettlementFailed`` when the account is locked or has been emptied, the keys are
    refused, or too many reads fail in a row; with ``AirflowSensorTimeout`` when ``timeout`` is over. All name what is
    left unsold. ``soft_fail`` turns the timeout into a skip, and nothing else: the log says so at level ERROR, and XCom
    ``settlement_facts`` in ``skipped``. What follows is Airflow's to decide: a skip fails no DAG run, and skips what
    waits for this task's success; ``execution_timeout`` is no timeout of the sensor, and fails it. ``silent_fail`` and
    ``never_fail`` are refused, and a teardown has to be told to fail the run.

    ``timeout`` counts from the start of the try; in reschedule mode, as everywhere in Airflow, from the first poll of
    the first try. In reschedule mode, Airflow before 3.3 remembers nothing between polls: there, each poll makes its
    own ``stable_reads`` a few seconds apart and waits for ``stable_for`` in the worker, failures are not counted, and a
    stall ends as a timeout.

    :param account_id: id of the 3Commas exchange account: a positive integer, or a template that renders to one.
    :param threecommas_conn_id: id of the connection.
    :param target: what everything is sold into: ``BTC``, or ``USD`` for the dollar and its stablecoins.
    :param target_currencies: currency codes that count as the target, in place of those.
    :param dust_btc: value in BTC up to which an asset may be left or be in orders, because it is too little to sell;
        all such assets together may be worth 20 times as much: a ``Decimal``, an ``int`` or text.
    :param ignore_currencies: currency codes that may be left, whatever they are worth: coins that can't be sold. With
        ``*`` for any letters and ``?`` for one, such as ``*.F`` and ``LD??*`` for coins that earn.
    :param stable_reads: reads in a row that have to show the account settled; at least 1.
    :param stable_for: seconds (or ``timedelta``) for which they have to show it without a break, so that what buys back
        is noticed; shorter than ``timeout``. A pause between two reads counts for half of it at most.
    :param stall_after: seconds (or ``timedelta``) after which to give up if something is left, in orders or still
        running, and no amount, no order and no count has changed.
    :param require_no_entities: whether bots, deals, trades and orders have to be gone, as far as the API counts them:
        Signal Bots it does not. ``False`` for an account on which something may go on running.
    :param max_failures: failed reads in a row to put up with; ``Retry-After`` is honoured between them.
    :param view_tolerance: share of what is not in BTC by which the balances may miss the account's value.
    :param dry_run: poll once, log and return what is left, with ``settled_at`` ``None``, and succeed: for a DAG whose
        liquidation is a dry run. A bool, or a template that renders to ``True`` or ``False``.
    :param deferrable: whether to wait in the triggerer, without a worker; by default what ``[operators]
        default_deferrable`` says.
    """

    template_fields: Sequence[str] = ("account_id", "threecommas_conn_id", "target", "ignore_currencies", "dry_run")
    operator_extra_links = (ThreeCommasLiquidationLink(),)
    ui_color = "#d3ecdb"
    ui_fgcolor = "#0b3d1e"

    def __init__(
        self,
        *,
        account_id: int | str,
        threecommas_conn_id: str = "threecommas_default",
        target: str = "BTC",
        target_currencies: Sequence[str] | str = (),
        dust_btc: Decimal | int | str = "0.0001",
        ignore_currencies: Sequence[str] | str = (),
        stable_reads: int = 2,
        stable_for: timedelta | float = 0,
        stall_after: timedelta | float = 600,
        require_no_entities: bool = True,
        max_failures: int = 10,
        view_tolerance: Decimal | int | str = "0.01",
        dry_run: bool | str = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.account_id = account_id
        self.threecommas_conn_id = threecommas_conn_id
        self.target = target
        self.target_currencies = target_currencies
        self.dust_btc = dust_btc
        self.ignore_currencies = ignore_currencies
        self.stable_reads = stable_reads
        self.stable_for = stable_for
        self.stall_after = stall_after
        self.require_no_entities = require_no_entities
        self.max_failures = max_failures
        self.view_tolerance = view_tolerance
        self.dry_run = dry_run  # type: ignore[method-assign,assignment]  # the CLI's --dry-run method
        self.deferrable = deferrable
        self._sensor_run: SensorRun | None = None
        self._check_literals()
        self._use_default_retry_policy()

    _DEFAULTS: ClassVar[dict[str, Any]] = unchecked(__init__, "threecommas_conn_id", "deferrable")

    @cached_property
    def hook(self) -> ThreeCommasHook:
        """The hook of the rendered connection id; waiting for the request budget ends with the sensor's time."""
        from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook

        return ThreeCommasHook(self.threecommas_conn_id, gate=self._gate)

    def execute(self, context: Context) -> dict[str, Any]:
        """Poll until the account has settled, or leave the waiting to the scheduler or the triggerer.

        :param context: Airflow's context.
        :return: what has settled.
        :raises SettlementFailed: the account will not settle.
        :raises AirflowSensorTimeout: the time is over.
        """
        self._sensor_run = self._start_run(context)
        while not (outcome := self.poke(context)):
            self._wait_for_next_poll(context, self._sensor_run)
        result: dict[str, Any] = outcome.xcom_value or {}
        return result

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll the account once.

        :param context: Airflow's context.
        :return: whether the wait is over, and if so the outcome.
        :raises SettlementFailed: the account will not settle.
        :raises AirflowSensorTimeout: the time is over.
        """
        if self._sensor_run is None:
            self._sensor_run = self._start_run(context)
        decision = self._sensor_run.poll()
        self.log.info("%s", decision.message)
        if self._sensor_run.dry_run:
            return PokeReturnValue(True, self._finish_dry_run(context, self._sensor_run, decision))
        if decision.final:
            return PokeReturnValue(True, self._finish(context, self._sensor_run.event(decision)))
        return PokeReturnValue(False)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Finish with the event that the trigger has fired.

        :param context: Airflow's context.
        :param event: what the trigger fired.
        :return: what has settled.
        :raises SettlementFailed: the account will not settle, or the event is not one of the trigger's.
        :raises AirflowSensorTimeout: the time is over.
        """
        return self._finish(context, event if isinstance(event, dict) else {})

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral, past what Airflow's sensors do here: under ``soft_fail`` they skip on any failure.

        :param next_method: what Airflow resumes with.
        :param next_kwargs: its arguments.
        :param context: Airflow's context.
        :return: the outcome.
        :raises SettlementFailed: the trigger broke.
        :raises AirflowSensorTimeout: Airflow has ended the deferral.
        """
        from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR, TriggerFailureReason

        if next_method != TRIGGER_FAIL_REPR:
            return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
        error = (next_kwargs or {}).get("error")
        if error == TriggerFailureReason.TRIGGER_TIMEOUT:
            message = (
                f"Account {self.account_id} has not settled within {self.timeout:.10g} s, and the trigger is silent."
            )
            return self._finish(context, {"status": "timeout", "message": message})
        # The traceback that comes with it is left in the triggerer's log: here, nothing in it would be masked.
        message = (
            f"Whether account {self.account_id} has settled is unknown: the trigger broke. See the triggerer's log."
        )
        return self._finish(context, {"status": "error", "message": message})

    def _start_run(self, context: Context) -> SensorRun:
        from airflow_provider_3commas.api.errors import ConfigurationError
        from airflow_provider_3commas.settlement.sensor_run import SensorRun

        problem = silent_teardown(self)
        if problem:
            raise ConfigurationError(problem)
        return SensorRun(self, context)

    def _gate(self, budget: RequestBudget) -> RequestGate:
        """Return a gate that sleeps if the sensor does, and else one that lets it leave the worker."""
        from airflow_provider_3commas.hooks.gates import raising_gate, sleeping_gate

        run = self._sensor_run
        if run is not None and not run.dry_run and (self.deferrable or self.reschedule):
            return raising_gate(budget)
        return sleeping_gate(budget, time_left=None if run is None else run.time_left, logger=self.log)

    def _check_literals(self) -> None:
        """Check the parameters when the DAG is parsed; what is templated has to wait for ``execute``."""
        for name in ("silent_fail", "never_fail"):
            if getattr(self, name):
                raise ValueError(f"{name} would hide a liquidation that failed; failed reads: see max_failures.")
        are_switches = isinstance(self.deferrable, bool) and isinstance(self.soft_fail, bool)
        if not are_switches or self._needs_check():
            # What checks is light, but DAG files are parsed again and again.
            from airflow_provider_3commas.sensors.wait_checks import check_literals

            check_literals(self)

    def _finish_dry_run(self, context: Context, run: SensorRun, decision: Decision) -> dict[str, Any]:
        """Return what one poll has shown: nothing was sold, so nothing will settle."""
        from airflow_provider_3commas.api.errors import SettlementFailed
        from airflow_provider_3commas.xcom_keys import FACTS_KEY

        event = run.event(decision)
        context["ti"].xcom_push(FACTS_KEY, event["facts"])
        if decision.result is None:
            raise SettlementFailed(decision.message, **event["details"])
        self.log.warning("DRY RUN: not waiting for account %s to settle.", self.account_id)
        return {**decision.result, "settled_at": None}

    def _wait_for_next_poll(self, context: Context, run: SensorRun) -> None:
        """Wait for the next poll: asleep, or by leaving the worker."""
        seconds = run.seconds_to_next_poll()
        if self.deferrable:
            from airflow_provider_3commas.xcom_keys import FACTS_KEY

            # For a report, should the trigger break.
            context["ti"].xcom_push(FACTS_KEY, run.interim_facts())
            self._defer(run)
        if not self.reschedule or run.would_lose_stable_reads:
            time.sleep(min(seconds, _MAX_PAUSE_UNSAVED) if self.reschedule and run.lacks_reads else seconds)
            return
        run.save()
        from datetime import timedelta

        from airflow.sdk import timezone
        from airflow.sdk.bases import sensor  # has the exception in every Airflow, wherever its home is

        next_poll = timezone.utcnow() + timedelta(seconds=seconds)
        raise sensor.AirflowRescheduleException(next_poll)  # type: ignore[attr-defined,no-untyped-call]

    def _defer(self, run: SensorRun) -> NoReturn:
        from datetime import UTC, datetime, timedelta

        from airflow_provider_3commas.settlement.state import as_json
        from airflow_provider_3commas.triggers.balances import BalancesSettledTrigger

        max_wait = self.max_wait
        self.defer(
            trigger=BalancesSettledTrigger(
                run.account_id,
                self.threecommas_conn_id,
                criteria=as_json(run.criteria),
                progress=as_json(run.progress),
                poll_interval=self.poke_interval,
                deadline=datetime.fromtimestamp(run.deadline, UTC).isoformat(),
                timeout=self.timeout,
                exponential_backoff=self.exponential_backoff,
                max_wait=max_wait.total_seconds() if max_wait else None,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=run.time_left() + _DEFERRAL_MARGIN),
        )

    def _finish(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """End the task as the last poll says; the same in all modes."""
        from airflow_provider_3commas.xcom_keys import FACTS_KEY, HISTORY_KEY

        if event.get("history"):
            context["ti"].xcom_push(HISTORY_KEY, event["history"])
        # Events of older versions have none.
        if event.get("facts"):
            context["ti"].xcom_push(FACTS_KEY, event["facts"])
        result = event.get("result")
        if event.get("status") == "settled" and isinstance(result, dict) and result.get("settled_at"):
            self._report_settled(context, result)
            return result
        failure = self._failure(event)
        self.log.error("%s", failure)
        if self.soft_fail and event.get("status") == "timeout":
            self.log.error(
                "Because of soft_fail, this timeout is a skip and not a failure: account %s has not settled, and the "
                "DAG run may end in success all the same.",
                self.account_id,
            )
            # A trigger that is silent sends no facts; those of the first poll are there.
            facts = event.get("facts") or context["ti"].xcom_pull(key=FACTS_KEY) or {"account_id": self.account_id}
            context["ti"].xcom_push(FACTS_KEY, {**facts, "skipped": str(failure)})
        raise failure

    def _report_settled(self, context: Context, result: dict[str, Any]) -> None:
        """Log what has settled, and emit the asset events."""
        self.log.info(
            "Account %s has settled: %s %s, worth %s BTC with all that is left.",
            result["account_id"],
            result["target_amount"],
            result["target"],
            result["btc_value"],
        )
        if not self.outlets:
            return
        from airflow_provider_3commas.assets.account import emit_account_event
        from airflow_provider_3commas.settlement.state import residual_btc

        extra = {
            "account_id": result["account_id"],
            "target": result["target"],
            "target_amount": result["target_amount"],
            "residual_btc": residual_btc(result),
            "dag_id": context["ti"].dag_id,
            "run_id": context["ti"].run_id,
        }
        emit_account_event(context, self.outlets, result["account_id"], extra)

    def _failure(self, event: dict[str, Any]) -> Exception:
        """Return the exception for an event; only the timeout is one that ``soft_fail`` turns into a skip."""
        from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException

        from airflow_provider_3commas.api.errors import BalancesStalled, SettlementFailed
        from airflow_provider_3commas.settlement.state import ERROR_DETAILS, Status

        status = event.get("status")
        known = status in {known.value for known in Status} | {"error"}
        message = str(event.get("message")) if known else f"The trigger sent an event with the status {status!r}."
        if self.soft_fail and status == Status.TIMEOUT.value:
            return AirflowSkipException(message)
        if status == Status.TIMEOUT.value:
            return AirflowSensorTimeout(message)
        kind = BalancesStalled if status == Status.STALLED.value else SettlementFailed
        details = event.get("details") or {}
        return kind(message, result=event.get("result"), **{name: details.get(name) for name in ERROR_DETAILS})
