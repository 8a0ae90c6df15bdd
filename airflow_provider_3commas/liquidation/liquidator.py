"""The workings of the sell-all operators: read, write down, send once, find out.

Kept apart from the operators so that DAG files that name them do not pay for it at every parse.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

import pendulum
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_3commas.api.account_ids import parse_account_id
from airflow_provider_3commas.api.errors import (
    ConfigurationError,
    ConnectionFailed,
    LiquidationRefused,
    OutcomeUnknown,
    RequestRejected,
    ThreeCommasError,
)
from airflow_provider_3commas.assets.account import emit_account_event
from airflow_provider_3commas.liquidation.decisions import (
    Finding,
    Journal,
    Phase,
    Reconciliation,
    Snapshot,
    check_account,
    check_run,
    counted,
    jsonable,
    read_journal,
)
from airflow_provider_3commas.money import plain, rounded
from airflow_provider_3commas.parameters import parse_bool

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from airflow_provider_3commas.operators.sell_all import _SellAllOperator

#: Key of the journal in the task's state store.
JOURNAL_KEY = "liquidation"
#: XCom key of what became of the sell.
OUTCOME_KEY = "liquidation"
#: XCom key of the account before the sale.
HOLDINGS_KEY = "holdings_before"

_READ_TRIES = 3
_LOOKS = 8

T = TypeVar("T")


class Liquidator:
    """Carry out one try of a sell-all task.

    :param operator: the task, rendered.
    :param context: Airflow's context.
    """

    def __init__(self, operator: _SellAllOperator, context: Context) -> None:
        self._operator = operator
        self._context = context
        self._log = operator.log
        self._target = operator.target
        self._ti = context["ti"]
        self._store = context.get("task_state_store")

    def run(self) -> dict[str, Any]:
        """Liquidate the account, or find out what an earlier try has done about it.

        :return: the Account, in JSON types.
        :raises AirflowFailException: no retry can cure what is wrong.
        :raises ThreeCommasError: anything else that went wrong.
        """
        try:
            self._prepare()
            return self._decide()
        except ThreeCommasError as error:
            if error.permanent:
                raise AirflowFailException(str(error)) from error
            raise

    def _prepare(self) -> None:
        """Check every parameter, and what the connection says, before anything is sent."""
        operator = self._operator
        self._account_id = parse_account_id(operator.account_id)
        self._dry_run = parse_bool(operator.dry_run, "dry_run")
        self._account_name = _account_name(operator.account_name, preflight=operator.preflight)
        self._client = operator.hook.get_conn()
        self._reconcile_for = operator.reconcile_for.total_seconds()
        if self._reconcile_for <= sum(self._client.timeouts):
            raise ConfigurationError(
                f"reconcile_for is {self._reconcile_for:g} s, not longer than the connection's timeouts together "
                f"({sum(self._client.timeouts):g} s to connect and be answered): a sell of an abandoned try could "
                "still be under way when it ends. Nothing was sent. Make it longer, or the timeout shorter."
            )

    def _decide(self) -> dict[str, Any]:
        """Decide whether this try may send the sell: the one place that does."""
        journal = self._read_journal()
        if journal is not None and journal.phase is Phase.ACCEPTED:
            return self._recorded(journal)
        if journal is not None and journal.phase is Phase.INTENT:
            account = self._reconcile(journal, "An earlier try may have sold the account: how it ended is not known.")
            if account is not None:
                return account
            self._log.warning("Retries allow another try: going on as if it was the first.")
        self._check_run()
        return self._sell(self._preflight() if self._operator.preflight else None)

    def _read_journal(self) -> Journal | None:
        """Return what earlier tries wrote down, or what has to be assumed where that can't be known."""
        if self._store is None:
            return self._journal_without_store()
        value = self._store.get(JOURNAL_KEY, default=None)
        journal = read_journal(value, account_id=self._account_id, target=self._target, mode=self._client.mode)
        if journal is None and self._later_try() and self._context["dag_run"].clear_number and _clears_on_success():
            raise LiquidationRefused(
                "This task was cleared, and Airflow is set to forget what a successful task has done ([state_store] "
                f"clear_on_success), so it may have sold account {self._account_id} before. Nothing was sent. To "
                "liquidate again, start a new DAG run."
            )
        return journal

    def _journal_without_store(self) -> Journal | None:
        """Before Airflow 3.3 nothing survives a try: a later one has to assume that there was a sell."""
        if not self._later_try():
            self._log.warning(
                "This Airflow has no task state store (3.3 and later do): if this try ends without an answer, a later "
                "one will only look at the account and never sell."
            )
            return None
        return self._new_journal(baseline=None)

    def _later_try(self) -> bool:
        return bool(self._ti.try_number > 1)

    def _new_journal(self, baseline: Snapshot | None) -> Journal:
        return Journal(
            account_id=self._account_id,
            target=self._target,
            mode=self._client.mode,
            phase=Phase.INTENT,
            baseline=baseline,
            intent_at=pendulum.now("UTC").isoformat(),
        )

    def _check_run(self) -> None:
        run = self._context["dag_run"]
        check_run(
            str(getattr(run.run_type, "value", run.run_type)),
            run.run_after,
            pendulum.now("UTC"),
            max_lateness=self._operator.max_lateness,
            allow_backfill=self._operator.allow_backfill,
        )

    def _preflight(self) -> Snapshot:
        """Read the account as it is before the sell, refuse what can't be sold, and say what will be."""
        account = self._read(lambda: self._client.get_account(self._account_id))
        check_account(account, self._account_name)
        rows = self._read(lambda: self._client.get_balances(self._account_id))
        entities = self._read(lambda: self._client.get_active_entities(self._account_id))
        baseline = Snapshot.of(account, rows, entities, pendulum.now("UTC"))
        self._announce(baseline)
        return baseline

    def _read(self, read: Callable[[], T]) -> T:
        """Repeat a read that failed without an answer: a liquidation should not be lost to one bad gateway."""
        for attempt in range(1, _READ_TRIES):
            try:
                return read()
            except (OutcomeUnknown, ConnectionFailed) as error:
                self._log.warning("%s Trying again in %s s.", error, attempt)
                time.sleep(attempt)
        return read()

    def _announce(self, baseline: Snapshot) -> None:
        """Log what the sale will do before it is done, and hand it on."""
        self._ti.xcom_push(HOLDINGS_KEY, baseline.as_json())
        self._log.warning(
            "%s account %s (%r on %s, %s mode) to %s: worth %s BTC, %s USD. This stops %s, and can't be undone.",
            "DRY RUN: would sell" if self._dry_run else "Selling",
            baseline.account_id,
            baseline.account_name,
            baseline.exchange_name,
            self._client.mode,
            self._target,
            rounded(baseline.btc_value, 8),
            rounded(baseline.usd_value, 2),
            counted(baseline.running()) or "no bot or deal",
        )
        for holding in sorted(baseline.holdings.values(), key=lambda held: held.btc_value, reverse=True):
            self._log.info(
                "  %s %s, %s of it in orders, worth %s BTC (%s USD)",
                plain(holding.amount),
                holding.currency,
                plain(holding.on_orders),
                rounded(holding.btc_value, 8),
                rounded(holding.usd_value, 2),
            )

    def _sell(self, baseline: Snapshot | None) -> dict[str, Any]:
        """Write the intent down, send the sell once, and write down what became of it."""
        intent = self._new_journal(baseline)
        try:
            reply = self._client.sell_all(
                self._account_id,
                self._target,
                dry_run=self._dry_run,
                # The fence: fails in a process that Airflow has replaced.
                before_sending=lambda: self._record(intent),
            )
        except (RequestRejected, ConnectionFailed) as error:
            self._write(intent.rejected(pendulum.now("UTC"), error.request_id))
            raise
        except OutcomeUnknown as error:
            self._log.warning("%s", error)
            account = self._reconcile(intent, str(error))
            if account is not None:
                return account
            raise _no_trace(error, self._reconcile_for) from error
        if self._dry_run:
            return self._finish("dry_run", intent, jsonable(reply.account))
        accepted = intent.accepted(pendulum.now("UTC"), jsonable(reply.account), request_id=reply.request_id)
        self._write(accepted)
        self._log.info("3Commas has accepted the sell (request id %s).", reply.request_id)
        return self._finish("accepted", accepted, jsonable(reply.account))

    def _write(self, journal: Journal) -> None:
        """Write down what became of a sell; should that fail, the intent stays and a later try finds out."""
        if self._dry_run:
            return
        try:
            self._record(journal)
        except Exception:
            self._log.exception(
                "What became of the sell (%s) could not be written down. A later try will look at the account.",
                journal.phase.value,
            )

    def _record(self, journal: Journal) -> None:
        if self._store is None:
            return
        # Airflow has this if it has the store; its type stub has not.
        from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]

        self._store.set(JOURNAL_KEY, journal.as_json(), retention=NEVER_EXPIRE)

    def _reconcile(self, journal: Journal, why: str) -> dict[str, Any] | None:
        """Watch the account until it shows that a sell was carried out, or for long enough to say that it was not.

        :return: the Account if it was carried out, ``None`` if the account shows no trace of it.
        :raises OutcomeUnknown: neither can be said.
        """
        self._log.warning(
            "Watching account %s for up to %g s to find out whether it was sold. Only reading.",
            self._account_id,
            self._reconcile_for,
        )
        state = Reconciliation(journal.baseline, self._target)
        deadline = time.monotonic() + self._reconcile_for
        while True:
            account, snapshot = self._look(why)
            state = state.look(snapshot)
            finding = state.finding(time_is_up=time.monotonic() >= deadline)
            if finding is not None:
                break
            time.sleep(min(self._reconcile_for / _LOOKS, max(deadline - time.monotonic(), 0)))
        if finding is Finding.SOLD:
            self._log.warning("The sell was carried out: %s.", "; ".join(state.evidence))
            accepted = journal.accepted(pendulum.now("UTC"), jsonable(account), evidence=state.evidence)
            self._write(accepted)
            return self._finish("reconciled", accepted, jsonable(account))
        if finding is Finding.NO_TRACE:
            self._log.warning("%s.", state.describe())
            return None
        raise OutcomeUnknown(
            f"{why} Then: {state.describe()}. No further sell was sent. Look at account {self._account_id} in 3Commas; "
            "to liquidate it, start a new DAG run."
        )

    def _look(self, why: str) -> tuple[dict[str, Any], Snapshot | None]:
        """Read the account once; a read without an answer is a look that saw nothing."""
        try:
            account = self._client.load_balances(self._account_id)
            rows = self._client.get_balances(self._account_id)
            entities = self._client.get_active_entities(self._account_id)
        except (OutcomeUnknown, ConnectionFailed) as error:
            self._log.warning("%s", error)
            return {}, None
        except ThreeCommasError as error:
            raise OutcomeUnknown(
                f"{why} The account can't be read to find out: {error}", retry_after=error.retry_after
            ) from error
        return account, Snapshot.of(account, rows, entities, pendulum.now("UTC"))

    def _recorded(self, journal: Journal) -> dict[str, Any]:
        self._log.warning(
            "This task has sold account %s already, at %s: returning the Account recorded then, sending nothing. To "
            "liquidate again, start a new DAG run.",
            self._account_id,
            journal.decided_at,
        )
        return self._finish("recorded", journal, dict(journal.account or {}))

    def _finish(self, outcome: str, journal: Journal, account: dict[str, Any]) -> dict[str, Any]:
        """Hand on what became of the sell; a later try starts without the XComs of the earlier."""
        if journal.baseline is not None:
            self._ti.xcom_push(HOLDINGS_KEY, journal.baseline.as_json())
        facts = {
            "outcome": outcome,
            "account_id": self._account_id,
            "target": self._target,
            "mode": self._client.mode,
            "sent_at": None if outcome == "dry_run" else journal.intent_at,
            "decided_at": journal.decided_at,
            "request_id": journal.request_id,
            "evidence": list(journal.evidence),
            "requests": self._client.requests_sent,
        }
        self._ti.xcom_push(OUTCOME_KEY, facts)
        if outcome != "dry_run" and self._operator.outlets:
            event = {**facts, "dag_id": self._ti.dag_id, "run_id": self._ti.run_id}
            emit_account_event(self._context, self._operator.outlets, self._account_id, event)
        return account


def _account_name(name: str | None, *, preflight: bool) -> str | None:
    if name is None:
        return None
    if not name.strip() or name == "None":
        raise ConfigurationError(
            f"account_name rendered to {name!r}, which is no account's name. Nothing was sent. Leave it out to sell "
            "whatever the account is called."
        )
    if not preflight:
        raise ConfigurationError(
            "account_name needs preflight: without it the account is not read, so its name can't be checked. Nothing "
            "was sent."
        )
    return name


def _clears_on_success() -> bool:
    from airflow.providers.common.compat.sdk import conf

    return bool(conf.getboolean("state_store", "clear_on_success", fallback=False))


def _no_trace(error: OutcomeUnknown, watched: float) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{error} The account was watched for {watched:g} s after that and shows no trace of a sell. If the task has "
        "retries left, the next one watches again and then sells; otherwise look at the account in 3Commas and start a "
        "new DAG run.",
        method=error.method,
        path=error.path,
        status_code=error.status_code,
        request_id=error.request_id,
        retry_after=error.retry_after,
    )
