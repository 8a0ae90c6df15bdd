"""Is this account settled, stalled, or not yet? Pure decisions about what was read; no Airflow, no I/O of its own.

::

    decide()          what one poll means:      waiting, settled, stalled or failed
    on_failed_poll()  what a failed poll means: waiting or failed
    on_timeout()      what the end of the time means

What has to be remembered from poll to poll is a ``Progress``. Points in time are seconds since 1970.

*Absence of data is not zero.* An empty list of rows, a row without an amount, rows that do not add up to the account's
value, and a failed read tell nothing; none of them ever settles an account.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from airflow_provider_3commas.dust import MAX_DUST_MULTIPLE
from airflow_provider_3commas.holdings import account_problem
from airflow_provider_3commas.in_words import describe_counts, describe_duration, describe_names
from airflow_provider_3commas.money import EXACT, read_amount, total
from airflow_provider_3commas.settlement.assessment import Reading, btc_text
from airflow_provider_3commas.settlement.state import Decision, Progress, Status, add_to_history

if TYPE_CHECKING:
    from airflow_provider_3commas.api.errors import ThreeCommasError
    from airflow_provider_3commas.settlement.assessment import Assessment
    from airflow_provider_3commas.settlement.criteria import Criteria

#: Seconds between polls at least, whatever is asked for: a hot loop would get the address banned.
MIN_INTERVAL = 0.1

_MAX_ERROR_LENGTH = 500
# How often what runs is asked for while nothing moves, in the time after which that is a stall.
_ENTITY_READS_PER_STALL = 5
# Share of ``stable_for`` that a pause between two polls counts for at most: nobody has looked in between, and what a
# triggerer saw before it died is forgotten.
_MOST_UNWATCHED = 0.5
# Polls that have to show an account empty before it is.
_MIN_EMPTY_POLLS = 2
_replace = msgspec.structs.replace


def needs_entities(criteria: Criteria, progress: Progress, reading: Reading, now: float) -> bool:
    """Return whether a reading without the active entities leaves the decision open."""
    return decide(criteria, progress, reading, now).status is Status.UNDECIDED


def decide(criteria: Criteria, progress: Progress, reading: Reading, now: float) -> Decision:
    """Decide what a poll means; ``UNDECIDED`` if that depends on the active entities and the reading has none."""
    problem = account_problem(reading.account)
    if problem is not None:
        message = f"Account {reading.account['id']} can't settle: {problem}.{_before_that(progress)}"
        return Decision(Status.FAILED, message, _count_read(progress))
    with localcontext(EXACT):
        return _Evaluation(criteria, reading, reading.assess(criteria), now).decide(progress)


class _Evaluation(NamedTuple):
    """One reading under the criteria of one wait."""

    criteria: Criteria
    reading: Reading
    assessment: Assessment
    now: float

    def decide(self, before: Progress) -> Decision:
        """Decide; what is running comes last, because asking costs a request."""
        if self.assessment.is_empty or self._lost_all_but_dust(before):
            return self._empty(before)
        if not self.assessment.has_rows and before.seen:
            return self._rows_vanished(before)
        progress = self._with_balances(before)
        running = [progress.runs] if progress.runs and self.criteria.require_no_entities else []
        if self.reading.entities is not None and running:
            progress = _replace(progress, stable=0, stable_since=0.0)
        if before.stable >= self.criteria.stable_reads and not progress.stable:
            progress = _replace(progress, settled_for=_stable_seconds(before))
        if self.reading.entities is None:
            return self._without_entities(progress, running)
        return self._with_entities(progress, running)

    def _without_entities(self, progress: Progress, running: list[str]) -> Decision:
        if self._depends_on_entities(progress, blocked=bool(running or self.assessment.blockers)):
            return self._waiting(progress, ["whether anything is running is unknown"], Status.UNDECIDED)
        if self._is_stable(progress):
            return self._settled(progress)
        return self._waiting(progress, running)

    def _with_entities(self, progress: Progress, running: list[str]) -> Decision:
        if self._is_stable(progress):
            return self._settled(progress)
        blocked = bool(running or self.assessment.blockers)
        if blocked and self.now - progress.unchanged_since >= self.criteria.stall_after:
            return self._stalled(progress, running)
        return self._waiting(progress, running)

    def _depends_on_entities(self, progress: Progress, *, blocked: bool) -> bool:
        """Return whether to ask what runs; while blocked, now and then, to know in the end that nothing has changed."""
        if progress.stable >= (1 if self.criteria.stable_for else self.criteria.stable_reads):
            return self.criteria.require_no_entities
        if not blocked:
            return False
        between = self.criteria.stall_after / _ENTITY_READS_PER_STALL
        idle_for = self.now - progress.unchanged_since
        return idle_for >= self.criteria.stall_after or (
            idle_for >= between and self.now - progress.asked_at >= between
        )

    def _with_balances(self, before: Progress) -> Progress:
        assessment, entities = self.assessment, self.reading.entities
        counts = before.counts if entities is None else _entity_counts(entities)
        changed = assessment.digest != before.amounts or before.counts not in ("", counts)
        stable_before = before.stable if before.target_amount == assessment.target_amount else 0
        stable = 0 if assessment.blockers else stable_before + 1
        progress = _replace(
            _count_read(before),
            stable=stable,
            stable_since=self._stable_since(before, stable),
            target_amount=assessment.target_amount,
            amounts=assessment.digest,
            counts=counts,
            unchanged_since=self.now if changed else before.unchanged_since,
            empty_since=0.0,
            empties=0,
        )
        if entities is not None:
            progress = _replace(progress, runs=_describe_running(entities), asked_at=self.now)
        if assessment.has_rows:
            history = add_to_history(before, assessment.unsold_btc, self.now)
            progress = _replace(progress, history=history, seen=assessment.seen, seen_at=self.now)
        return progress

    def _stable_since(self, before: Progress, stable: int) -> float:
        """Return since when the account has been seen settled, of a long pause between two polls only a part."""
        if stable < 2 or not before.stable_since:
            return self.now if stable else 0.0
        # The last read that had rows was a settled one.
        unwatched = self.now - before.seen_at - _MOST_UNWATCHED * self.criteria.stable_for
        return before.stable_since + max(unwatched, 0.0)

    def _is_stable(self, progress: Progress) -> bool:
        criteria = self.criteria
        return progress.stable >= criteria.stable_reads and _stable_seconds(progress) >= criteria.stable_for

    def _without_balances(self, before: Progress, *, empties: int) -> Progress:
        """Remember a reading without balances; what was there before is not forgotten."""
        progress = _replace(_count_read(before), stable=0, stable_since=0.0, empties=empties)
        return _replace(progress, empty_since=before.empty_since or self.now)

    def _rows_vanished(self, before: Progress) -> Decision:
        """Learn nothing from rows that are gone after earlier polls had some: the view is being rebuilt."""
        progress = self._without_balances(before, empties=0)
        why = "; ".join(self.assessment.blockers)
        empty_for = self.now - progress.empty_since
        if empty_for < self.criteria.stall_after:
            sentence = f"has not settled yet: its balances are empty for the moment ({why}).{_before_that(progress)}"
            return self._decision(Status.WAITING, progress, sentence)
        sentence = f"has stalled: for {empty_for:.0f} s, {why}.{_before_that(progress)}"
        return self._decision(Status.STALLED, progress, sentence)

    def _lost_all_but_dust(self, before: Progress) -> bool:
        """Return whether it is worth dust and was worth more: an account that never was can settle."""
        if not (self.assessment.only_dust and before.seen):
            return False
        btc_value = read_amount(msgspec.json.decode(before.seen)[0])
        return btc_value is not None and btc_value > MAX_DUST_MULTIPLE * self.criteria.dust_btc

    def _empty(self, before: Progress) -> Decision:
        """End a wait for an account with nothing on it: absence of data settles nothing, and won't go away either."""
        progress = self._without_balances(before, empties=before.empties + 1)
        if progress.seen:
            return self._emptied(progress)
        empty_for = self.now - progress.empty_since
        if empty_for < self.criteria.stall_after:
            return self._decision(Status.WAITING, progress, "has not settled yet: it looks empty.")
        sentence = (
            f"can't settle: for {empty_for:.0f} s the account has been empty, as it was from the first poll on. "
            "Check the account id, the connection's mode, and what 3Commas shows of the account."
        )
        return self._decision(Status.FAILED, progress, sentence)

    def _emptied(self, progress: Progress) -> Decision:
        if progress.empties < max(self.criteria.stable_reads, _MIN_EMPTY_POLLS):
            sentence = f"has not settled yet: it looks empty for the moment.{_before_that(progress)}"
            return self._decision(Status.WAITING, progress, sentence)
        empty = "empty" if self.assessment.is_empty else "empty but for dust"
        sentence = f"can't settle: the account is {empty}: what was on it has been withdrawn.{_before_that(progress)}"
        return self._decision(Status.FAILED, progress, sentence)

    def _settled(self, progress: Progress) -> Decision:
        residual = self.assessment.residual
        worth = btc_text(total(Decimal(item["btc_value"]) for item in residual))
        return self._decision(
            Status.SETTLED,
            progress,
            f"has settled: {self.assessment.target_amount} {self.criteria.target}, and {len(residual)} other assets "
            f"worth {worth} BTC.",
        )

    def _stalled(self, progress: Progress, running: list[str]) -> Decision:
        left = self._left(progress, running)
        hints = []
        if progress.settled_for:
            hints.append("Has something bought since? Look for Signal Bots, which no call shows, and for autobalance.")
        elif self.assessment.blockers:
            hints.append("What can't be sold can be named in ignore_currencies.")
        if running:
            hints.append("Something still runs on the account: stop it, or allow it with require_no_entities=False.")
        elif progress.runs:
            hints.append(f"Still {progress.runs}.")
        return self._decision(
            Status.STALLED,
            _replace(progress, left=left),
            f"has stalled: for {self.now - progress.unchanged_since:.0f} s no amount, no order and no count has "
            f"changed, but {left}. {' '.join(hints)}",
        )

    def _waiting(self, progress: Progress, running: list[str], status: Status = Status.WAITING) -> Decision:
        left = self._left(progress, running)
        seen = left or f"seen settled {_how_stable(self.criteria, progress)}"
        return self._decision(status, _replace(progress, left=left or progress.left), f"has not settled yet: {seen}.")

    def _left(self, progress: Progress, running: list[str]) -> str:
        """Say what stands between the account and being settled, and if it had been; empty if nothing does."""
        left = "; ".join([*self.assessment.blockers, *running])
        if not left or not progress.settled_for:
            return left
        return f"{left} (it had been settled for {describe_duration(progress.settled_for)})"

    def _decision(self, status: Status, progress: Progress, sentence: str) -> Decision:
        account_id = self.reading.account["id"]
        settled_at = datetime.fromtimestamp(self.now, UTC).isoformat() if status is Status.SETTLED else None
        result = {
            "account_id": account_id,
            "target": self.criteria.target,
            "settled_at": settled_at,
            "target_amount": progress.target_amount or self.assessment.target_amount,
            **self.assessment.values,
            "residual": self.assessment.residual,
            "reads": progress.reads,
            "waited_seconds": round(max(self.now - progress.started_at, 0.0), 3),
        }
        return Decision(status, f"Account {account_id} {sentence}", progress, result)


def on_failed_poll(
    criteria: Criteria, progress: Progress, error: ThreeCommasError, account_id: int, now: float
) -> Decision:
    """Decide what a failed poll means: nothing, unless waiting can't cure it or too many fail in a row."""
    failures = progress.failures + 1
    if error.permanent:
        status = Status.FAILED
        problem = f"can't be watched, and waiting will not change that: {error}{_before_that(progress)}"
    elif failures > criteria.max_failures:
        status = Status.FAILED
        problem = f"could not be read {failures} times in a row; the last time: {error}{_before_that(progress)}"
    else:
        status = Status.WAITING
        problem = f"could not be read ({failures} in a row, up to {criteria.max_failures} are tolerated): {error}"
    progress = _replace(
        progress,
        failures=failures,
        trouble=str(error)[:_MAX_ERROR_LENGTH],
        not_before=now + max(error.retry_after or 0.0, 0.0),
    )
    return Decision(status, f"Account {account_id} {problem}", progress, cause=error)


def on_no_budget(progress: Progress, account_id: int, seconds: float, now: float) -> Decision:
    """Postpone a poll until there is request budget for it, in so many seconds: not a failure, and not a read."""
    return Decision(
        Status.WAITING,
        f"Account {account_id} was not polled: no request budget for {seconds:.1f} s.",
        _replace(progress, not_before=now + seconds),
    )


def on_timeout(criteria: Criteria, progress: Progress, account_id: int, timeout: float) -> Decision:
    """Name what is left when the time, so many seconds, is over."""
    if not progress.reads:
        left = (
            "it could not be read once"
            if progress.failures
            else "no poll of it ended in that time: there was no request budget, or no answer"
        )
    elif progress.empty_since:
        left = f"the account looked empty on the last poll.{_before_that(progress)}".removesuffix(".")
    elif progress.stable or not progress.left:
        left = f"it was seen settled {_how_stable(criteria, progress)}.{_before_that(progress)}"
        left = left.removesuffix(".")
    else:
        left = progress.left
    failing = f" The last reads failed ({progress.failures}): {progress.trouble}" if progress.failures else ""
    return Decision(
        Status.TIMEOUT,
        f"Account {account_id} has not settled within {timeout:.10g} s: {left}.{failing}",
        progress,
    )


def next_interval(
    progress: Progress, interval: float, *, backoff: bool = False, max_interval: float | None = None
) -> float:
    """Return the seconds until the next poll, if nothing else matters; with ``backoff`` they double each time."""
    interval = max(interval, MIN_INTERVAL)
    if not backoff:
        return interval
    grown = interval * 2.0 ** min(max(progress.reads + progress.failures - 1, 0), 20)
    return grown if max_interval is None else min(grown, max_interval)


def _count_read(progress: Progress) -> Progress:
    """Return the progress after a poll that got an answer; it ends a row of failures."""
    return _replace(progress, reads=progress.reads + 1, failures=0, trouble="", not_before=0.0)


def _stable_seconds(progress: Progress) -> float:
    """Return for how long it has been seen settled: up to the last poll that saw it so, whatever time it is now."""
    return progress.seen_at - progress.stable_since if progress.stable_since else 0.0


def _how_stable(criteria: Criteria, progress: Progress) -> str:
    """Say how often, and for how long of how long, an account was seen settled without a break."""
    reads = f"{min(progress.stable, criteria.stable_reads)} of {criteria.stable_reads} times in a row"
    if not criteria.stable_for:
        return reads
    seconds, needed = describe_duration(_stable_seconds(progress)), describe_duration(criteria.stable_for)
    return f"{reads}, for {seconds} of {needed} without a break"


def _entity_counts(entities: dict[str, int | None]) -> str:
    return " ".join(f"{name}={count}" for name, count in sorted(entities.items()))


def _describe_running(entities: dict[str, int | None]) -> str:
    """Describe what runs, and what may: a count that could not be read is not zero."""
    running = describe_counts({name: count for name, count in entities.items() if count})
    unread = describe_names(name for name, count in entities.items() if count is None)
    return "; ".join(
        [*([f"running: {running}"] if running else []), *([f"incomplete counts: {unread}"] if unread else [])]
    )


def _before_that(progress: Progress) -> str:
    return f" Before that: {progress.left}." if progress.left else ""
