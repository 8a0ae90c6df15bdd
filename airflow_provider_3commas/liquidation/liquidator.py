"""One try of a liquidation: check, read, ask the fence, send once, find out. Knows no Airflow."""

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
from airflow_provider_3commas.liquidation.evidence import Verdict, assess
from airflow_provider_3commas.liquidation.guards import Run, check_recorded, check_run, wrong_kind
from airflow_provider_3commas.liquidation.journal import Journal, Phase, Subject, read_journal
from airflow_provider_3commas.liquidation.preflight import Preflight, refuse_if_too_late
from airflow_provider_3commas.liquidation.watch import watch
from airflow_provider_3commas.money import jsonable
from airflow_provider_3commas.xcom_keys import HOLDINGS_KEY, OUTCOME_KEY

if TYPE_CHECKING:
    from airflow_provider_3commas.liquidation.evidence import Reconciliation
    from airflow_provider_3commas.liquidation.sale import Sale, World
    from airflow_provider_3commas.liquidation.snapshot import Snapshot

#: Key of the journal in the task's state store.
JOURNAL_KEY = "liquidation"

#: Age in seconds beyond which the account is read again before the sell leaves.
BASELINE_SECONDS = 60.0
#: How often a sell that certainly was not carried out (429, no connection) is sent within one try of the task.
SELL_TRIES = 5
#: For how long to wait for the request budget where ``max_lateness`` sets no end, in seconds.
LONGEST_WAIT = 3600.0

_REASON_LENGTH = 1000


class _BaselineTooOld(Exception):
    """The sell waited for so long that the account has to be read again; nothing was sent."""


class Liquidator:
    """Carry out one try of a liquidation.

    :param sale: what to do.
    :param run: what Airflow says of the task instance.
    :param world: the client, the store and the rest.
    """

    def __init__(self, sale: Sale, run: Run, world: World) -> None:
        self._sale = sale
        self._run = run
        self._world = world
        self._client = world.client
        self._log = world.log
        self._claimant = Claimant(run.task, run.try_number)
        self._not_within = None if sale.not_within is None else sale.not_within.total_seconds()
        self._preflight = Preflight(sale, world, self.time_left)
        self._started_at = clock.monotonic()
        #: What is recorded, as far as this try knows.
        self._journal: Journal | None = None
        self._baseline: Snapshot | None = None
        #: Whether there may have been a sell whose outcome is not known: by an earlier try, or by this one.
        self._unresolved = False
        self._intent_recorded = False
        self._rejected = False

    def run(self) -> dict[str, Any]:
        """Liquidate the account, or find out what an earlier try has done about it.

        :return: the Account, in JSON types.
        :raises ThreeCommasError: what went wrong; ``OutcomeUnknown`` says that there may have been a sale.
        """
        try:
            return self._decide()
        except BudgetTimeout as error:
            late = LiquidationRefused(
                f"{error} This run may wait no longer. Nothing was sent. Start a new DAG run, or set a longer "
                "max_lateness on the operator."
            )
            self._tell_end(late)
            raise late from error
        except BaseException as error:
            self._tell_end(error)
            raise

    def time_left(self) -> float:
        """Return the seconds for which a request may wait: a run that is too late by then doesn't send the sell."""
        latest = self._sale.max_lateness
        if latest is None or self._run.run_type == "backfill" or self._unresolved:
            return self._started_at + LONGEST_WAIT - clock.monotonic()
        return (self._run.run_after + latest - clock.now()).total_seconds()

    def _decide(self) -> dict[str, Any]:
        """Decide whether this try may send the sell: the one place that does."""
        self._check_times()
        journal = self._journal = self._read_journal()
        self._claimant = Claimant(self._run.task, self._run.try_number, journal.begun_at)
        if journal.phase is Phase.ACCEPTED:
            return self._recorded(journal)
        if journal.phase is Phase.INTENT:
            self._unresolved = True
            account = self._find_out(journal, "An earlier try may have sold the account: how it ended is not known.")
            if account is not None:
                return account
            self._log.warning("The account is as it was before the earlier try: going on as if this was the first.")
        self._check_run()
        return self._sell(journal)

    def _check_times(self) -> None:
        timeouts, watched = sum(self._client.timeouts), self._sale.reconcile_for.total_seconds()
        if watched <= timeouts:
            raise ConfigurationError(
                f"reconcile_for is {watched:g} s, not longer than the connection's timeouts together ({timeouts:g} s "
                "to connect and be answered): a sell of an abandoned try could still be under way when it ends. "
                "Nothing was sent. Make it longer, or the timeout shorter."
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
        store = self._world.store
        value = None if store is None else store.get(JOURNAL_KEY, default=None)
        if value is not None:
            journal = read_journal(value, subject)
            if journal.subject is not None:
                return journal
            # An earlier try ended before it could know what it was about, and so before it could send anything.
            check_recorded(replace(self._run, try_number=1), has_store=True)
        else:
            check_recorded(self._run, has_store=store is not None)
        journal = Journal(subject, Phase.BEGUN, clock.iso())
        if store is None:
            return self._journal_without_store(journal)
        self._record(journal)
        return journal

    def _journal_without_store(self, journal: Journal) -> Journal:
        """Before Airflow 3.3 nothing survives a try: a later one has to assume that there was a sell."""
        if self._run.try_number > 1:
            return journal.intend(clock.iso(), None)
        self._log.warning(
            "This Airflow has no task state store (3.3 and later do): if this try ends without an answer, a later one "
            "will only look at the account and never sell."
        )
        return journal

    def _sell(self, before: Journal) -> dict[str, Any]:
        """Send the sell; what certainly was not carried out is waited out and repeated within the guards."""
        if not self._world.claims.shared_between_machines:
            self._log.info(
                "Other tasks that liquidate account %s are seen only if they run on this machine: budget_url names a "
                "store that all machines share.",
                self._sale.account_id,
            )
        for left in range(SELL_TRIES - 1, -1, -1):
            self._world.claims.check(self._sale.account_id, self._claimant, self._not_within)
            baseline = self._baseline = self._preflight.baseline()
            self._check_untouched(before, baseline)
            intent = before.intend(clock.iso(), baseline)
            try:
                return self._send(intent, baseline)
            except _BaselineTooOld:
                self._log.info("The account was read too long ago: reading it again.")
            except (RateLimitExceeded, ConnectionFailed) as error:
                if isinstance(error, RateLimitExceeded):
                    refuse_if_too_late(error, self.time_left())
                if not left:
                    raise
                self._log.warning("%s It was certainly not carried out: trying again.", error)
                clock.sleep(2.0 ** (SELL_TRIES - 1 - left))
        raise PreflightFailed(
            f"Nothing was sold: {SELL_TRIES} times the account had been read longer than {BASELINE_SECONDS:.0f} s ago "
            "when the sell was about to leave. Is the request budget used up by something else?"
        )

    def _check_untouched(self, before: Journal, baseline: Snapshot | None) -> None:
        """After an earlier sell whose outcome is not known, sell only what is still as it was then."""
        if before.phase is not Phase.INTENT:
            return
        seen = assess(before.baseline, baseline, self._sale.target)
        if seen.verdict is not Verdict.UNTOUCHED:
            raise OutcomeUnknown(
                f"An earlier try may have sold the account after all: {'; '.join(seen.facts)}. No further sell was "
                f"sent. Look at account {self._sale.account_id} in 3Commas; to liquidate it, start a new DAG run."
            )

    def _send(self, intent: Journal, baseline: Snapshot | None) -> dict[str, Any]:
        """Send the sell once, and write down what became of it."""
        sale, unresolved = self._sale, self._unresolved
        self._intent_recorded = self._rejected = False
        try:
            reply = self._client.sell_all(
                sale.account_id,
                sale.target,
                dry_run=sale.dry_run,
                before_sending=lambda: self._ask_fence(intent, baseline, unresolved=unresolved),
            )
        except (RequestRejected, ConnectionFailed) as error:
            self._rejected = isinstance(error, RequestRejected)
            self._unresolved = unresolved
            self._withdraw(intent, error.request_id)
            raise
        except OutcomeUnknown as error:
            return self._after_lost_answer(intent, error)
        except Exception:
            if self._unresolved == unresolved:
                self._withdraw(intent, None)
            raise
        if sale.dry_run:
            return self._finish("dry_run", intent, jsonable(reply.account))
        accepted = intent.accepted(clock.iso(), jsonable(reply.account), request_id=reply.request_id)
        self._unresolved = False
        self._write(accepted)
        self._world.claims.sold(sale.account_id, self._claimant)
        self._log.info("3Commas has accepted the sell (request id %s).", reply.request_id)
        return self._finish("accepted", accepted, jsonable(reply.account))

    def _ask_fence(self, intent: Journal, baseline: Snapshot | None, *, unresolved: bool) -> None:
        """Refuse to send unless, at this moment, this try is the one that Airflow runs, and may sell.

        Asked right before the first byte, and again if the answer took too long. A try that Airflow has given up keeps
        its id where no retry is left, so that the write alone would succeed; a try that was replaced can't write.
        """
        self._unresolved = unresolved
        state = self._world.state()
        if state != "running":
            raise LiquidationRefused(
                f"Airflow has given this try up: the state of its task is {state!r}, not 'running'. Nothing was sent."
            )
        self._check_run()
        if baseline is not None and clock.passed_since(self._preflight.read_at) > BASELINE_SECONDS:
            raise _BaselineTooOld
        self._world.claims.claim(self._sale.account_id, self._claimant, self._not_within)
        self._intent_recorded = True
        self._record(intent)
        self._unresolved = True

    def _withdraw(self, intent: Journal, request_id: str | None) -> None:
        """Take note of a sell that was refused for certain, or has not left."""
        if self._intent_recorded:
            try:
                self._write(intent.rejected(clock.iso(), request_id))
            finally:
                # An orphan can neither write nor log any more; what it has claimed is free all the same.
                self._world.claims.release(self._sale.account_id, self._claimant)

    def _write(self, journal: Journal) -> None:
        """Write down what became of a sell; should that fail, the intent stays and a later try finds out."""
        self._journal = journal
        try:
            self._record(journal)
        except Exception:
            self._log.exception(
                "What became of the sell (%s) could not be written down. A later try will look at the account.",
                journal.phase.value,
            )

    def _record(self, journal: Journal) -> None:
        if self._world.store is not None:
            self._world.store.set(JOURNAL_KEY, journal.as_json())
        self._journal = journal

    def _after_lost_answer(self, intent: Journal, error: OutcomeUnknown) -> dict[str, Any]:
        self._log.warning("%s", error)
        self._world.claims.unknown(self._sale.account_id, self._claimant)
        account = self._find_out(intent, str(error))
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

    def _find_out(self, journal: Journal, why: str) -> dict[str, Any] | None:
        """Watch the account until it shows that it was sold, or for long enough to say that it was not.

        :return: the Account if it was sold, ``None`` if it is untouched.
        :raises OutcomeUnknown: neither can be said.
        """
        account, polls = watch(self._sale, self._world, journal.baseline, why)
        finding = polls.finding(time_is_up=True)
        if finding is Verdict.SOLD:
            return self._found_sold(journal, polls, account)
        self._journal = replace(journal, evidence=polls.last.facts)
        if finding is Verdict.UNTOUCHED:
            self._log.warning("The account is as it was before: %s.", polls.describe())
            self._world.claims.release(self._sale.account_id, self._claimant)
            return None
        raise OutcomeUnknown(
            f"{why} Then: {polls.describe()}. That proves neither that the account was sold nor that it was not. No "
            f"further sell was sent. Look at account {self._sale.account_id} in 3Commas; to liquidate it, start a new "
            "DAG run."
        )

    def _found_sold(self, journal: Journal, polls: Reconciliation, account: dict[str, Any]) -> dict[str, Any]:
        seen = "; ".join(polls.last.facts)
        latest = self._world.claims.holder(self._sale.account_id)
        since = datetime.fromisoformat(journal.intent_at) if journal.intent_at else None
        if latest is not None and not latest.is_of(self._claimant) and (since is None or latest.time > since):
            raise OutcomeUnknown(
                f"The account was sold ({seen}), but {latest.task} has liquidated it since, and whether this task has "
                f"is not known. No further sell was sent. Look at account {self._sale.account_id} in 3Commas."
            )
        self._log.warning("The account was sold: %s.", seen)
        accepted = journal.accepted(clock.iso(), jsonable(account), evidence=polls.last.facts)
        self._unresolved = False
        self._write(accepted)
        self._world.claims.sold(self._sale.account_id, self._claimant)
        return self._finish("reconciled", accepted, jsonable(account))

    def _recorded(self, journal: Journal) -> dict[str, Any]:
        self._log.warning(
            "This task has sold account %s already, at %s: returning the Account recorded then, sending nothing. To "
            "liquidate again, start a new DAG run.",
            self._sale.account_id,
            journal.decided_at,
        )
        return self._finish("recorded", journal, dict(journal.account or {}))

    def _finish(self, outcome: str, journal: Journal, account: dict[str, Any]) -> dict[str, Any]:
        """Hand on what became of the sale; a later try starts without the XComs of the earlier."""
        if journal.baseline is not None:
            self._world.tell(HOLDINGS_KEY, journal.baseline.as_json())
        # A sell without preflight sees the Account only now.
        kind = wrong_kind(account, self._client.mode)
        if kind and outcome == "dry_run":
            raise LiquidationRefused(f"Nothing was sent. {kind}")
        if kind:
            raise WrongAccountSold(f"The sale was accepted, and no other was sent. But {kind}")
        self._world.tell(OUTCOME_KEY, self._facts(outcome, journal))
        return account

    def _facts(self, outcome: str, journal: Journal | None, reason: str | None = None) -> dict[str, Any]:
        sent = journal is not None and outcome not in ("dry_run", "refused", "not_sent")
        return {
            "outcome": outcome,
            "reason": reason,
            "account_id": self._sale.account_id,
            "target": self._sale.target,
            "mode": self._client.mode,
            "sent_at": journal.intent_at if journal is not None and sent else None,
            "decided_at": journal.decided_at if journal else None,
            "request_id": journal.request_id if journal else None,
            "evidence": list(journal.evidence) if journal else [],
            "requests": self._client.requests_sent,
        }

    def _tell_end(self, error: BaseException) -> None:
        """Hand on what became of a liquidation that failed; that must not hide why it did.

        A try that Airflow has given up says nothing: what it would overwrite is a later try's.
        """
        outcome = self._outcome_of(error)
        try:
            state = self._world.state()
            if state != "running":
                self._log.warning("Not handed on, because the task is %s: %s (%s)", state, outcome, reason_of(error))
                return
            if self._journal is not None:
                # Beside a later try that runs, the state is that one's: what was replaced finds out by writing.
                self._record(self._journal)
            if self._baseline is not None:
                self._world.tell(HOLDINGS_KEY, self._baseline.as_json())
            self._world.tell(OUTCOME_KEY, self._facts(outcome, self._journal, reason_of(error)))
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


def reason_of(error: BaseException) -> str:
    """Return one line of bounded length that says why."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _REASON_LENGTH else text[: _REASON_LENGTH - 3] + "..."
