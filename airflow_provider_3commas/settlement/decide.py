"""Is this account settled, stalled, or not yet? Pure decisions about what was read; no Airflow, no I/O of its own.

::

    decide()          what one poll means:      waiting, settled, stalled or failed
    on_failed_poll()  what a failed poll means: waiting or failed
    on_timeout()      what the end of the time means

What has to be remembered from poll to poll is a ``Progress``: small, JSON-able, and the same in all modes of the
sensor. Money is ``Decimal``, and text in plain notation where it is stored; points in time are seconds since 1970.

*Absence of data is not zero.* An empty list of rows, a row without an amount, rows that do not add up to the account's
value, and a failed read tell nothing; none of them ever settles an account.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from airflow_provider_3commas.holdings import account_problem
from airflow_provider_3commas.in_words import describe_counts, describe_names
from airflow_provider_3commas.money import EXACT, plain, read_amount, total
from airflow_provider_3commas.settlement.assessment import MAX_DUST_MULTIPLE, Reading, places
from airflow_provider_3commas.settlement.state import Decision, Progress, Status, add_to_history, iso

if TYPE_CHECKING:
    from airflow_provider_3commas.api.errors import ThreeCommasError
    from airflow_provider_3commas.settlement.assessment import Assessment
    from airflow_provider_3commas.settlement.criteria import Criteria

#: Seconds between polls at least, whatever is asked for: a hot loop would get the address banned.
MIN_INTERVAL = 0.1

_MAX_ERROR_LENGTH = 500
# How often what runs is asked for while nothing moves, in the time after which that is a stall.
_ENTITY_READS_PER_STALL = 5
# Polls that have to show an account empty before it is.
_MIN_EMPTY_POLLS = 2
_replace = msgspec.structs.replace


def needs_entities(criteria: Criteria, progress: Progress, reading: Reading, now: float) -> bool:
    """Tell whether a reading without the active entities leaves the decision open.

    :param criteria: what settled means.
    :param progress: what the polls before have shown.
    :param reading: what this one has shown so far.
    :param now: the time.
    :return: whether the entities have to be asked for.
    """
    return decide(criteria, progress, reading, now).status is Status.UNDECIDED


def decide(criteria: Criteria, progress: Progress, reading: Reading, now: float) -> Decision:
    """Say what a poll means.

    :param criteria: what settled means.
    :param progress: what the polls before have shown.
    :param reading: what this one has shown.
    :param now: the time.
    :return: ``SETTLED``, ``STALLED``, ``FAILED`` or ``WAITING``; ``UNDECIDED`` if it depends on the active entities and
        the reading has none.
    """
    reason = account_problem(reading.account)
    if reason is not None:
        step = _replace(progress, reads=progress.reads + 1, failures=0, trouble="", not_before=0.0)
        message = f"Account {reading.account['id']} can't settle: {reason}.{_last_left(progress)}"
        return Decision(Status.FAILED, message, step)
    with localcontext(EXACT):
        return _Evaluation(criteria, reading, reading.assess(criteria), now).after(progress)


class _Evaluation(NamedTuple):
    """Weigh one reading."""

    criteria: Criteria
    reading: Reading
    seen: Assessment
    now: float

    def after(self, progress: Progress) -> Decision:
        """Decide; what is running comes last, because asking costs a request."""
        if self.seen.nothing or self._emptied_but_for_dust(progress):
            return self._nothing(progress)
        if not self.seen.has_rows and progress.seen:
            return self._vanished(progress)
        step = self._step(progress)
        runs = [step.runs] if step.runs and self.criteria.require_no_entities else []
        if self.reading.entities is None:
            return self._without_entities(step, runs)
        return self._with_entities(step, runs)

    def _without_entities(self, step: Progress, runs: list[str]) -> Decision:
        if self._has_to_ask(step, blocked=bool(runs or self.seen.blockers)):
            return self._waiting(step, ["whether anything is running is unknown"], Status.UNDECIDED)
        return self._settled(step) if step.stable >= self.criteria.stable_reads else self._waiting(step, runs)

    def _with_entities(self, step: Progress, runs: list[str]) -> Decision:
        if runs:
            step = _replace(step, stable=0)
        elif step.stable >= self.criteria.stable_reads:
            return self._settled(step)
        blocked = bool(runs or self.seen.blockers)
        if blocked and self.now - step.unchanged_since >= self.criteria.stall_after:
            return self._stalled(step, runs)
        return self._waiting(step, runs)

    def _has_to_ask(self, step: Progress, *, blocked: bool) -> bool:
        """Tell whether the decision depends on what runs; now and then, to know in the end that nothing has changed."""
        if step.stable >= self.criteria.stable_reads:
            return self.criteria.require_no_entities
        if not blocked:
            return False
        share = self.criteria.stall_after / _ENTITY_READS_PER_STALL
        idle_for = self.now - step.unchanged_since
        return idle_for >= self.criteria.stall_after or (idle_for >= share and self.now - step.asked_at >= share)

    def _step(self, progress: Progress) -> Progress:
        """Remember this reading."""
        seen, entities = self.seen, self.reading.entities
        target_amount = seen.target_text
        same_target = progress.stable > 0 and progress.target_amount == target_amount
        counts = progress.counts if entities is None else _counts(entities)
        changed = seen.digest != progress.amounts or progress.counts not in ("", counts)
        return _replace(
            progress,
            reads=progress.reads + 1,
            failures=0,
            trouble="",
            not_before=0.0,
            stable=0 if seen.blockers else progress.stable + 1 if same_target else 1,
            target_amount=target_amount,
            amounts=seen.digest,
            counts=counts,
            runs=progress.runs if entities is None else _runs(entities),
            asked_at=progress.asked_at if entities is None else self.now,
            unchanged_since=self.now if changed else progress.unchanged_since,
            empty_since=0.0,
            empties=0,
            history=add_to_history(progress, seen.unsold_btc, self.now) if seen.has_rows else progress.history,
            seen=seen.text if seen.has_rows else progress.seen,
            seen_at=self.now if seen.has_rows else progress.seen_at,
        )

    def _without_balances(self, progress: Progress, *, empties: int) -> Progress:
        """Remember a reading without balances; what was there before is not forgotten."""
        return _replace(
            progress,
            reads=progress.reads + 1,
            failures=0,
            trouble="",
            not_before=0.0,
            stable=0,
            empty_since=progress.empty_since or self.now,
            empties=empties,
        )

    def _vanished(self, progress: Progress) -> Decision:
        """Learn nothing from rows that are gone after earlier polls had some: the view is being rebuilt."""
        step = self._without_balances(progress, empties=0)
        why = "; ".join(self.seen.blockers)
        if self.now - step.empty_since < self.criteria.stall_after:
            sentence = f"has not settled yet: its balances are empty for the moment ({why}).{_last_left(progress)}"
            return self._decision(Status.WAITING, step, sentence)
        sentence = f"has stalled: for {self.now - step.empty_since:.0f} s, {why}.{_last_left(progress)}"
        return self._decision(Status.STALLED, step, sentence)

    def _emptied_but_for_dust(self, progress: Progress) -> bool:
        """Tell an account that has lost what it was worth from one that was never worth more than dust."""
        if not (self.seen.only_dust and progress.seen):
            return False
        before = read_amount(msgspec.json.decode(progress.seen)[0])
        return before is not None and before > MAX_DUST_MULTIPLE * self.criteria.dust_btc

    def _nothing(self, progress: Progress) -> Decision:
        """End a wait for an account with nothing on it: absence of data settles nothing, and won't go away either."""
        step = self._without_balances(progress, empties=progress.empties + 1)
        if progress.seen:
            if step.empties < max(self.criteria.stable_reads, _MIN_EMPTY_POLLS):
                return self._decision(
                    Status.WAITING, step, f"has not settled yet: it looks empty for the moment.{_last_left(progress)}"
                )
            empty = "empty" if self.seen.nothing else "empty but for dust"
            sentence = f"can't settle: the account is {empty}: what was on it has been withdrawn.{_last_left(progress)}"
            return self._decision(Status.FAILED, step, sentence)
        if self.now - step.empty_since < self.criteria.stall_after:
            return self._decision(Status.WAITING, step, "has not settled yet: it looks empty.")
        sentence = (
            f"can't settle: for {self.now - step.empty_since:.0f} s the account has been empty, as it was from the "
            "first poll on. Check the account id, the connection's mode, and what 3Commas shows of the account."
        )
        return self._decision(Status.FAILED, step, sentence)

    def _settled(self, step: Progress) -> Decision:
        others = self.seen.residual
        worth = plain(places(total(Decimal(item["btc_value"]) for item in others)))
        return self._decision(
            Status.SETTLED,
            step,
            f"has settled: {self.seen.target_text} {self.criteria.target}, and {len(others)} other assets "
            f"worth {worth} BTC.",
        )

    def _stalled(self, step: Progress, runs: list[str]) -> Decision:
        left = "; ".join([*self.seen.blockers, *runs])
        hints = []
        if self.seen.blockers:
            hints.append("What can't be sold can be named in ignore_currencies.")
        if runs:
            hints.append("Something still runs on the account: stop it, or allow it with require_no_entities=False.")
        elif step.runs:
            hints.append(f"Still {step.runs}.")
        return self._decision(
            Status.STALLED,
            _replace(step, left=left),
            f"has stalled: for {self.now - step.unchanged_since:.0f} s no amount, no order and no count has changed, "
            f"but {left}. {' '.join(hints)}",
        )

    def _waiting(self, step: Progress, runs: list[str], status: Status = Status.WAITING) -> Decision:
        left = "; ".join([*self.seen.blockers, *runs])
        seen_settled = f"seen settled {step.stable} of {self.criteria.stable_reads} times in a row"
        return self._decision(
            status, _replace(step, left=left or step.left), f"has not settled yet: {left or seen_settled}."
        )

    def _decision(self, status: Status, step: Progress, sentence: str) -> Decision:
        account = self.reading.account
        result = {
            "account_id": account["id"],
            "target": self.criteria.target,
            "settled_at": iso(self.now) if status is Status.SETTLED else None,
            "target_amount": step.target_amount or self.seen.target_text,
            **self.seen.worth,
            "residual": self.seen.residual,
            "reads": step.reads,
            "waited_seconds": round(max(self.now - step.started_at, 0.0), 3),
        }
        return Decision(status, f"Account {account['id']} {sentence}", step, result)


def on_failed_poll(
    criteria: Criteria, progress: Progress, error: ThreeCommasError, account_id: int, now: float
) -> Decision:
    """Say what a failed poll means: nothing, unless no waiting cures it or too many fail in a row.

    :param criteria: how many failures to put up with.
    :param progress: what the polls before have shown.
    :param error: what the client raised.
    :param account_id: the account's id.
    :param now: the time.
    :return: ``WAITING`` or ``FAILED``.
    """
    failures = progress.failures + 1
    step = _replace(
        progress,
        failures=failures,
        trouble=str(error)[:_MAX_ERROR_LENGTH],
        not_before=now + max(error.retry_after or 0.0, 0.0),
    )
    if error.permanent:
        return Decision(
            Status.FAILED,
            f"Account {account_id} can't be watched, and waiting will not change that: {error}{_last_left(progress)}",
            step,
            cause=error,
        )
    if failures > criteria.max_failures:
        return Decision(
            Status.FAILED,
            f"Account {account_id} could not be read {failures} times in a row; the last time: {error}"
            f"{_last_left(progress)}",
            step,
            cause=error,
        )
    message = (
        f"Account {account_id} could not be read ({failures} in a row, up to {criteria.max_failures} are tolerated): "
    )
    return Decision(Status.WAITING, f"{message}{error}", step, cause=error)


def on_no_budget(progress: Progress, account_id: int, seconds: float, now: float) -> Decision:
    """Put a poll off for which there is no request budget yet: not a failure, and not a state.

    :param progress: what the polls have shown.
    :param account_id: the account's id.
    :param seconds: how long to wait for the budget.
    :param now: the time.
    :return: ``WAITING``.
    """
    return Decision(
        Status.WAITING,
        f"Account {account_id} was not polled: no request budget for {seconds:.1f} s.",
        _replace(progress, not_before=now + seconds),
    )


def on_timeout(progress: Progress, account_id: int, timeout: float) -> Decision:
    """Say what is left when the time is over.

    :param progress: what the polls have shown.
    :param account_id: the account's id.
    :param timeout: how many seconds there were.
    :return: ``TIMEOUT``.
    """
    if not progress.reads:
        left = "it could not be read once" if progress.failures else "there was no request budget to poll it"
    elif progress.empty_since:
        left = f"the account looked empty on the last poll.{_last_left(progress)}".removesuffix(".")
    elif progress.stable or not progress.left:
        left = f"it was seen settled on only {progress.stable} polls in a row.{_last_left(progress)}".removesuffix(".")
    else:
        left = progress.left
    failing = f" The last reads failed ({progress.failures}): {progress.trouble}" if progress.failures else ""
    return Decision(
        Status.TIMEOUT,
        f"Account {account_id} has not settled within {timeout:.10g} s: {left}.{failing}",
        progress,
    )


def next_interval(progress: Progress, interval: float, *, backoff: bool = False, longest: float | None = None) -> float:
    """Return how long to wait for the next poll, if nothing else matters.

    :param progress: what the polls have shown.
    :param interval: seconds between polls.
    :param backoff: whether it doubles from poll to poll.
    :param longest: seconds that it may grow to; ``None`` for no limit.
    :return: seconds.
    """
    interval = max(interval, MIN_INTERVAL)
    if not backoff:
        return interval
    grown = interval * 2.0 ** min(max(progress.reads + progress.failures - 1, 0), 20)
    return grown if longest is None else min(grown, longest)


def _counts(entities: dict[str, int | None]) -> str:
    return " ".join(f"{name}={count}" for name, count in sorted(entities.items()))


def _runs(entities: dict[str, int | None]) -> str:
    """Say what runs, and what may: a count that could not be read is not zero."""
    running = describe_counts({name: count for name, count in entities.items() if count})
    unread = describe_names(name for name, count in entities.items() if count is None)
    return "; ".join(
        [*([f"running: {running}"] if running else []), *([f"incomplete counts: {unread}"] if unread else [])]
    )


def _last_left(progress: Progress) -> str:
    return f" Before that: {progress.left}." if progress.left else ""
