"""One try of a liquidation: check, read, record the intent in the fence, send once, reconcile. Knows no Airflow."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.api import clock
from airflow_provider_3commas.api.errors import (
    BudgetTimeout,
    ConfigurationError,
    ConnectionFailed,
    JournalUnusable,
    LiquidationRefused,
    OutcomeUnknown,
    PreflightFailed,
    RateLimitExceeded,
    RequestRejected,
    WrongAccountSold,
)
from airflow_provider_3commas.budget import Claimant
from airflow_provider_3commas.holdings import may_be_rebalanced
from airflow_provider_3commas.liquidation.evidence import Verdict, assess
from airflow_provider_3commas.liquidation.guards import (
    Run,
    check_run,
    check_without_journal,
    mode_mismatch,
    refuse_if_too_late,
)
from airflow_provider_3commas.liquidation.journal import Journal, Phase, Subject, read_journal
from airflow_provider_3commas.liquidation.outcome import outcome_facts, reason_of
from airflow_provider_3commas.liquidation.preflight import AUTOBALANCE, Preflight
from airflow_provider_3commas.liquidation.watch import watch
from airflow_provider_3commas.money import jsonable
from airflow_provider_3commas.xcom_keys import HOLDINGS_KEY, OUTCOME_KEY

if TYPE_CHECKING:
    from airflow_provider_3commas.liquidation.evidence import Reconciliation
    from airflow_provider_3commas.liquidation.sale import Environment, Sale
    from airflow_provider_3commas.liquidation.snapshot import Snapshot

#: Key of the journal in the task's state store.
JOURNAL_KEY = "liquidation"

#: Age in seconds beyond which the account is read again before the sell-all is sent.
MAX_BASELINE_AGE = 60.0
#: How often a sell-all that certainly was not carried out (429, no connection) is sent within one try of the task.
SELL_TRIES = 5
#: For how long to wait for the request budget where ``max_lateness`` sets no end, in seconds.
LONGEST_WAIT = 3600.0


class _BaselineTooOld(Exception):
    """The sell-all has waited for so long that the account has to be read again; nothing was sent."""


class Liquidator:
    """One try of a liquidation."""

    def __init__(self, sale: Sale, run: Run, environment: Environment) -> None:
        self._sale = sale
        self._run = run
        self._environment = environment
        self._client = environment.client
        self._store = environment.store
        self._claims = environment.claims
        self._log = environment.log
        self._claimant = Claimant(run.task, run.try_number)
        self._not_within = None if sale.not_within is None else sale.not_within.total_seconds()
        self._preflight = Preflight(sale, environment, self.time_left)
        self._started_at = clock.monotonic()
        #: What is recorded, as far as this try knows.
        self._journal: Journal | None = None
        self._baseline: Snapshot | None = None
        #: Whether there may have been a sell-all whose outcome is not known: by an earlier try, or by this one.
        self._unresolved = False
        self._intent_recorded = False
        self._rejected = False

    def run(self) -> dict[str, Any]:
        """Liquidate the account, or find out what an earlier try has done; return the Account, in JSON types.

        Of the errors, ``OutcomeUnknown`` says that there may have been a sale.
        """
        try:
            return self._decide()
        except BudgetTimeout as error:
            late = LiquidationRefused(
                f"{error} This run may wait no longer. Nothing was sent. Start a new DAG run, or set a longer "
                "max_lateness on the operator."
            )
            self._push_failure(late)
            raise late from error
        except BaseException as error:
            self._push_failure(error)
            raise

    def time_left(self) -> float:
        """Return the seconds for which a request may wait: a run that is too late by then doesn't send the sell-all."""
        max_lateness = self._sale.max_lateness
        if max_lateness is None or self._run.run_type == "backfill" or self._unresolved:
            return self._started_at + LONGEST_WAIT - clock.monotonic()
        return (self._run.run_after + max_lateness - clock.now()).total_seconds()

    def _decide(self) -> dict[str, Any]:
        """Decide whether this try may send the sell-all: the one place that does."""
        self._check_timeouts()
        journal = self._journal = self._read_journal()
        self._claimant = Claimant(self._run.task, self._run.try_number, journal.begun_at)
        if journal.phase is Phase.ACCEPTED:
            return self._return_recorded(journal)
        if journal.phase is Phase.INTENT:
            self._unresolved = True
            account = self._reconcile(journal, "An earlier try may have sold the account: how it ended is not known.")
            if account is not None:
                return account
            self._log.warning("The account is as it was before the earlier try: going on as if this was the first.")
        self._check_run()
        return self._sell(journal)

    def _check_timeouts(self) -> None:
        timeouts, reconcile_for = sum(self._client.timeouts), self._sale.reconcile_for.total_seconds()
        if reconcile_for <= timeouts:
            raise ConfigurationError(
                f"reconcile_for is {reconcile_for:g} s, not longer than the connection's timeouts together "
                f"({timeouts:g} s to connect and be answered): a sell of an abandoned try could still be under way "
                "when it ends. Nothing was sent. Make it longer, or the timeout shorter."
            )

    def _check_run(self) -> None:
        sale = self._sale
        check_run(self._run, clock.now(), max_lateness=sale.max_lateness, allow_backfill=sale.allow_backfill)

    def _read_journal(self) -> Journal:
        """Return what is recorded of this task instance; refuse where something should be, and is not."""
        subject = Subject(
            self._sale.account_id,
            self._sale.target,
            mode=self._client.mode,
            base_url=self._client.base_url,
            api_key_hash=self._client.api_key_hash,
        )
        value = None if self._store is None else self._store.get(JOURNAL_KEY, default=None)
        if value is not None:
            journal = read_journal(value, subject)
            if journal.subject is not None:
                return journal
            # An earlier try ended before it could know what it was about, and so before it could send anything.
            check_without_journal(replace(self._run, try_number=1), has_store=True)
        else:
            check_without_journal(self._run, has_store=self._store is not None)
        journal = Journal(subject, Phase.BEGUN, clock.iso())
        if self._store is None:
            return self._journal_without_store(journal)
        self._record(journal)
        return journal

    def _journal_without_store(self, journal: Journal) -> Journal:
        """Return a journal where nothing survives a try: a later one has to assume that there was a sale."""
        if self._run.try_number > 1:
            return journal.intend(clock.iso(), None)
        self._log.warning(
            "This Airflow has no task state store (3.3 and later do): if this try ends without an answer, a later one "
            "will only look at the account and never sell."
        )
        return journal

    def _sell(self, journal: Journal) -> dict[str, Any]:
        """Send the sell-all; while it certainly was not carried out, retry it within the guards."""
        if not self._claims.shared_between_machines:
            self._log.info(
                "Other tasks that liquidate account %s are seen only if they run on this machine: budget_url names a "
                "store that all machines share.",
                self._sale.account_id,
            )
        for attempt in range(SELL_TRIES):
            self._claims.check(self._sale.account_id, self._claimant, self._not_within)
            baseline = self._baseline = self._preflight.baseline()
            self._check_untouched(journal, baseline)
            intent = journal.intend(clock.iso(), baseline)
            try:
                return self._send_once(intent, baseline)
            except _BaselineTooOld:
                self._log.info("The account was read too long ago: reading it again.")
            except (RateLimitExceeded, ConnectionFailed) as error:
                if isinstance(error, RateLimitExceeded):
                    refuse_if_too_late(error, self.time_left())
                if attempt == SELL_TRIES - 1:
                    raise
                self._log.warning("%s It was certainly not carried out: trying again.", error)
                clock.sleep(2.0**attempt)
        raise PreflightFailed(
            f"Nothing was sold: {SELL_TRIES} times the account had been read longer than {MAX_BASELINE_AGE:.0f} s ago "
            "when the sell was about to leave. Is the request budget used up by something else?"
        )

    def _check_untouched(self, journal: Journal, baseline: Snapshot | None) -> None:
        """After a sell-all whose outcome is unknown, sell only what is untouched since."""
        if journal.phase is not Phase.INTENT:
            return
        assessment = assess(journal.baseline, baseline, self._sale.target)
        if assessment.verdict is not Verdict.UNTOUCHED:
            raise OutcomeUnknown(
                f"An earlier try may have sold the account after all: {'; '.join(assessment.facts)}. No further sell "
                f"was sent. Look at account {self._sale.account_id} in 3Commas; to liquidate it, start a new DAG run."
            )

    def _send_once(self, intent: Journal, baseline: Snapshot | None) -> dict[str, Any]:
        """Send the sell-all once, and record its outcome."""
        sale, unresolved = self._sale, self._unresolved
        self._intent_recorded = self._rejected = False
        try:
            reply = self._client.sell_all(
                sale.account_id,
                sale.target,
                dry_run=sale.dry_run,
                before_sending=lambda: self._pass_fence(intent, baseline, unresolved=unresolved),
            )
        except (RequestRejected, ConnectionFailed) as error:
            self._rejected = isinstance(error, RequestRejected)
            self._unresolved = unresolved
            self._take_back_intent(intent, error.request_id)
            raise
        except OutcomeUnknown as error:
            return self._reconcile_lost_answer(intent, error)
        except Exception:
            if self._unresolved == unresolved:
                self._take_back_intent(intent, None)
            raise
        if sale.dry_run:
            return self._finish("dry_run", intent, jsonable(reply.account))
        accepted = intent.accepted(clock.iso(), jsonable(reply.account), request_id=reply.request_id)
        self._unresolved = False
        self._record_outcome(accepted)
        self._claims.sold(sale.account_id, self._claimant)
        self._log.info("3Commas has accepted the sell (request id %s).", reply.request_id)
        return self._finish("accepted", accepted, jsonable(reply.account))

    def _pass_fence(self, intent: Journal, baseline: Snapshot | None, *, unresolved: bool) -> None:
        """Refuse to send unless this try runs and may sell now; then claim the account and record the intent.

        Called right before the first byte, and again if that took too long. A try that Airflow has given up keeps its
        id where no retry is left, so that the write alone would succeed; a try that was replaced can't write.
        """
        self._unresolved = unresolved
        state = self._environment.task_state()
        if state != "running":
            raise LiquidationRefused(
                f"Airflow has given this try up: the state of its task is {state!r}, not 'running'. Nothing was sent."
            )
        self._check_run()
        if baseline is not None and clock.passed_since(self._preflight.read_at) > MAX_BASELINE_AGE:
            raise _BaselineTooOld
        self._claims.claim(self._sale.account_id, self._claimant, self._not_within)
        self._intent_recorded = True
        self._record(intent)
        self._unresolved = True

    def _take_back_intent(self, intent: Journal, request_id: str | None) -> None:
        """Record that the sell-all was refused for certain, or has not left, and release the claim."""
        if self._intent_recorded:
            try:
                self._record_outcome(intent.rejected(clock.iso(), request_id))
            finally:
                # An orphan can neither write nor log any more; what it has claimed is free all the same.
                self._claims.release(self._sale.account_id, self._claimant)

    def _record_outcome(self, journal: Journal) -> None:
        """Record the outcome; if that fails, the intent stays recorded and a later try reconciles."""
        self._journal = journal
        try:
            self._record(journal)
        except Exception:
            self._log.exception(
                "What became of the sell (%s) could not be written down. A later try will look at the account.",
                journal.phase.value,
            )

    def _record(self, journal: Journal) -> None:
        if self._store is not None:
            self._store.set(JOURNAL_KEY, journal.as_json())
        self._journal = journal

    def _reconcile_lost_answer(self, intent: Journal, error: OutcomeUnknown) -> dict[str, Any]:
        self._log.warning("%s", error)
        self._claims.unknown(self._sale.account_id, self._claimant)
        account = self._reconcile(intent, str(error))
        if account is not None:
            return account
        raise OutcomeUnknown(
            f"{error} The account was watched for {self._sale.reconcile_for.total_seconds():g} s after that and is as "
            "it was before. If the task has retries left, the next one watches again and then sells; otherwise look "
            "at the account in 3Commas and start a new DAG run.",
            method=error.method,
            path=error.path,
            status_code=error.status_code,
            request_id=error.request_id,
            retry_after=error.retry_after,
        ) from error

    def _reconcile(self, journal: Journal, why: str) -> dict[str, Any] | None:
        """Watch the account; return the Account if it was sold, ``None`` if it is untouched, or raise."""
        account, reconciliation = watch(self._sale, self._environment, journal.baseline, why)
        finding = reconciliation.finding(time_is_up=True)
        if finding is Verdict.SOLD:
            return self._confirm_sold(journal, reconciliation, account)
        self._journal = replace(journal, evidence=reconciliation.last.facts)
        if finding is Verdict.UNTOUCHED:
            self._log.warning("The account is as it was before: %s.", reconciliation.describe())
            self._claims.release(self._sale.account_id, self._claimant)
            return None
        raise OutcomeUnknown(
            f"{why} Then: {reconciliation.describe()}. That proves neither that the account was sold nor that it was "
            f"not. No further sell was sent. Look at account {self._sale.account_id} in 3Commas; to liquidate it, "
            "start a new DAG run."
        )

    def _confirm_sold(
        self, journal: Journal, reconciliation: Reconciliation, account: dict[str, Any]
    ) -> dict[str, Any]:
        facts = "; ".join(reconciliation.last.facts)
        last_claim = self._claims.holder(self._sale.account_id)
        intended_at = datetime.fromisoformat(journal.intent_at) if journal.intent_at else None
        if (
            last_claim is not None
            and not last_claim.is_of(self._claimant)
            and (intended_at is None or last_claim.time > intended_at)
        ):
            raise OutcomeUnknown(
                f"The account was sold ({facts}), but {last_claim.task} has liquidated it since, and whether this task "
                f"has is not known. No further sell was sent. Look at account {self._sale.account_id} in 3Commas."
            )
        self._log.warning("The account was sold: %s.", facts)
        accepted = journal.accepted(clock.iso(), jsonable(account), evidence=reconciliation.last.facts)
        self._unresolved = False
        self._record_outcome(accepted)
        self._claims.sold(self._sale.account_id, self._claimant)
        return self._finish("reconciled", accepted, jsonable(account))

    def _return_recorded(self, journal: Journal) -> dict[str, Any]:
        self._log.warning(
            "This task has sold account %s already, at %s: returning the Account recorded then, sending nothing. To "
            "liquidate again, start a new DAG run.",
            self._sale.account_id,
            journal.decided_at,
        )
        return self._finish("recorded", journal, dict(journal.account or {}))

    def _finish(self, outcome: str, journal: Journal, account: dict[str, Any]) -> dict[str, Any]:
        """Push the XComs; a later try starts without those of an earlier one."""
        if journal.baseline is not None:
            self._environment.push_xcom(HOLDINGS_KEY, journal.baseline.as_json())
        # Without preflight, the Account is seen only now.
        problem = mode_mismatch(account, self._client.mode)
        if problem and outcome == "dry_run":
            raise LiquidationRefused(f"Nothing was sent. {problem}")
        if problem:
            raise WrongAccountSold(f"The sale was accepted, and no other was sent. But {problem}")
        if journal.baseline is None and may_be_rebalanced(account):
            self._log.warning(AUTOBALANCE, self._sale.account_id)
        self._push_outcome(outcome, journal)
        return account

    def _push_outcome(self, outcome: str, journal: Journal | None, error: BaseException | None = None) -> None:
        facts = outcome_facts(
            outcome,
            account_id=self._sale.account_id,
            target=self._sale.target,
            mode=self._client.mode,
            journal=journal,
            error=error,
            requests=self._client.requests_sent,
        )
        self._environment.push_xcom(OUTCOME_KEY, facts)

    def _push_failure(self, error: BaseException) -> None:
        """Push the XComs of a liquidation that failed; that must not hide why it did.

        A try that Airflow has given up pushes nothing: what it would overwrite is a later try's.
        """
        outcome = self._outcome_of(error)
        try:
            state = self._environment.task_state()
            if state != "running":
                self._log.warning("Not handed on, because the task is %s: %s (%s)", state, outcome, reason_of(error))
                return
            if self._journal is not None:
                # Beside a later try that runs, the state is that one's: a try that was replaced fails to write.
                self._record(self._journal)
            if self._baseline is not None:
                self._environment.push_xcom(HOLDINGS_KEY, self._baseline.as_json())
            self._push_outcome(outcome, self._journal, error)
        except Exception:
            self._log.exception("What became of the liquidation (%s) could not be handed on.", outcome)

    def _outcome_of(self, error: BaseException) -> str:
        if self._unresolved or isinstance(error, JournalUnusable):
            return "unknown"
        if self._journal is not None and self._journal.phase is Phase.ACCEPTED:
            return "accepted"
        if self._rejected:
            return "rejected"
        return "refused" if isinstance(error, (LiquidationRefused, ConfigurationError)) else "not_sent"
