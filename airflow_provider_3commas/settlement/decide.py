"""Is this account settled, stalled, or not yet? Pure decisions about what was read; no Airflow, no I/O of its own.

::

    look()    what to ask 3Commas next, as a generator: whoever drives it does the asking, in its own way
    decide()  what one look means:     waiting, settled, stalled or failed
    excuse()  what a failed look means: waiting or failed
    expire()  what the end of the time means

What has to be remembered from look to look is a ``Progress``: small, JSON-able, and the same in all modes of the
sensor. Money is ``Decimal``, and text in plain notation where it is stored; points in time are seconds since 1970.

*Absence of data is not zero.* An empty list of rows, a row without an amount, rows that do not add up to the account's
value, and a failed read tell nothing; none of them ever settles an account.
"""

from __future__ import annotations

import hashlib
import re
from decimal import Context, Decimal, InvalidOperation, localcontext
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from airflow_provider_3commas.api.errors import ConfigurationError, ThreeCommasError
from airflow_provider_3commas.money import EXACT, TARGETS, known, plain, read_amount

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from airflow_provider_3commas.api.balance_rows import BalanceRow

#: Seconds between looks at least, whatever is asked for: a hot loop would get the address banned.
SHORTEST_INTERVAL = 0.1

_CURRENCY = re.compile(r"[^\s,{}]{1,40}")
_HISTORY_POINTS = 100
_NAMED_AT_MOST = 10
_TROUBLE_LENGTH = 500
_ZERO = Decimal(0)
# What is told of an asset beside the target.
_RESIDUAL = ("currency", "amount", "btc_value")

ERROR_DETAILS = ("method", "path", "status_code", "code", "description", "request_id", "retry_after")
_replace = msgspec.structs.replace


class Criteria(msgspec.Struct, frozen=True, kw_only=True):
    """Say what *settled* means.

    :param target: ``BTC`` or ``USD``: what everything was sold into.
    :param target_currencies: the currency codes that count as the target, upper case; empty for the target's own:
        BTC, or the dollar and its stablecoins.
    :param dust_btc: value in BTC up to which a holding may be left: it cannot be sold anyway.
    :param ignore_currencies: currency codes that may be left whatever they are worth, e.g. delisted or staked coins.
    :param stable_reads: how many reads in a row have to show the account settled, with the same amount of the target.
    :param stall_after: seconds after which an account with something left, nothing in orders, nothing running on it
        and no amount changing is given up.
    :param require_no_entities: whether an account on which a bot, deal, trade or order is active can be settled: with
        ``True`` it can't.
    :param max_failures: failed reads in a row to put up with.
    :param view_tolerance: share of what is not in BTC by which the rows may miss the account's total: prices move
        between the two requests. BTC itself is worth the same in both, so it has none.
    :raises ConfigurationError: a value is out of its range.
    """

    target: str = "BTC"
    target_currencies: tuple[str, ...] = ()
    dust_btc: Decimal = Decimal("0.0001")
    ignore_currencies: tuple[str, ...] = ()
    stable_reads: int = 2
    stall_after: float = 600.0
    require_no_entities: bool = True
    max_failures: int = 10
    view_tolerance: Decimal = Decimal("0.01")

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise ConfigurationError(f"target must be one of {', '.join(sorted(TARGETS))}, got {self.target!r}.")
        _in_range("dust_btc", self.dust_btc, 0, 21_000_000, "BTC")
        _in_range("view_tolerance", self.view_tolerance, 0, 1, "as a share, e.g. '0.01'")
        _in_range("stable_reads", self.stable_reads, 1, 1000, "reads")
        _in_range("max_failures", self.max_failures, 0, 1_000_000, "failed reads")
        _in_range("stall_after", self.stall_after, 1, 10 * 365 * 86400, "seconds")
        both = sorted(self.kept.intersection(self.ignore_currencies))
        if both:
            raise ConfigurationError(f"ignore_currencies has {', '.join(both)}, which counts as the target.")

    @classmethod
    def of(
        cls,
        *,
        target: object = "BTC",
        target_currencies: object = (),
        dust_btc: object = "0.0001",
        ignore_currencies: object = (),
        stable_reads: object = 2,
        stall_after: object = 600,
        require_no_entities: object = True,
        max_failures: object = 10,
        view_tolerance: object = "0.01",
    ) -> Criteria:
        """Read criteria from what a user wrote or a template rendered.

        :param target: see the class, as all others.
        :param target_currencies: codes in any case: a list, or text with commas.
        :param dust_btc: a ``Decimal``, an ``int`` or text; a ``float`` is not exact.
        :param ignore_currencies: codes in any case: a list, or text with commas.
        :param stable_reads: an ``int``.
        :param stall_after: seconds, or a ``timedelta``.
        :param require_no_entities: a ``bool``.
        :param max_failures: an ``int``.
        :param view_tolerance: a ``Decimal``, an ``int`` or text.
        :return: the criteria.
        :raises ConfigurationError: a value can't be used; the message says what was expected.
        """
        if not isinstance(require_no_entities, bool):
            raise ConfigurationError(f"require_no_entities must be True or False, got {require_no_entities!r}.")
        return cls(
            target=target.strip() if isinstance(target, str) else str(target),
            target_currencies=_currencies("target_currencies", target_currencies),
            dust_btc=_exact("dust_btc", dust_btc),
            ignore_currencies=_currencies("ignore_currencies", ignore_currencies),
            stable_reads=_whole("stable_reads", stable_reads),
            stall_after=_seconds("stall_after", stall_after),
            require_no_entities=require_no_entities,
            max_failures=_whole("max_failures", max_failures),
            view_tolerance=_exact("view_tolerance", view_tolerance),
        )

    @property
    def kept(self) -> frozenset[str]:
        """Currency codes that count as the target."""
        return frozenset(self.target_currencies) or TARGETS[self.target]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Remember what the looks so far have shown; every field has a default, so that older ones stay readable.

    :param started_at: when the wait began.
    :param reads: looks that got an answer.
    :param failures: looks in a row that got none.
    :param stable: reads in a row that showed the account settled.
    :param target_amount: what there was of the target at the last of them.
    :param amounts: digest of all amounts at the last read that had rows.
    :param unchanged_since: since when the amounts have not changed with nothing in orders and nothing running.
    :param running: whether something was running on the account when that was last asked.
    :param not_before: when the next look may be made at the earliest: the server asked for it.
    :param left: what stood between the account and being settled at the last look, in words.
    :param trouble: what the last failed look said, if the last look failed.
    :param history: unsold value over time: ``seconds=btc`` joined by blanks.
    :param requests: how many requests the looks have sent; ``None`` if those of some are not known.
    :param seen: what the account held at the last read that had rows: its value in BTC and in USD and what was beside
        the target, as a JSON list, which takes a tenth of the memory of a result.
    :param seen_at: when that was.
    """

    started_at: float = 0.0
    reads: int = 0
    failures: int = 0
    stable: int = 0
    target_amount: str = ""
    amounts: str = ""
    unchanged_since: float = 0.0
    running: bool = False
    not_before: float = 0.0
    left: str = ""
    trouble: str = ""
    history: str = ""
    requests: int | None = None
    seen: str = ""
    seen_at: float = 0.0


class Question(Enum):
    """Name what to ask 3Commas; the value is the client's method."""

    ACCOUNT = "load_balances"
    ROWS = "get_balances"
    ENTITIES = "get_active_entities"

    def ask(self, client: Any, account_id: int) -> Any:
        """Send this one request.

        :param client: a ``ThreeCommasClient``.
        :param account_id: the account's id.
        :return: the client's answer.
        :raises ThreeCommasError: the request failed.
        """
        return getattr(client, self.value)(account_id)


class Status(Enum):
    """Name what a look means."""

    #: Not settled, and waiting may help.
    WAITING = "waiting"
    #: Can't be told without the active entities.
    UNDECIDED = "undecided"
    SETTLED = "settled"
    #: Nothing moves any more, and something is left.
    STALLED = "stalled"
    #: No waiting helps.
    FAILED = "failed"
    #: The time is over.
    TIMEOUT = "timeout"


class Decision(NamedTuple):
    """Hold what was decided.

    :param status: what it is.
    :param message: the same in words, naming what is left.
    :param progress: what to remember.
    :param result: the sensor's XCom; ``settled_at`` is set only if the account has settled. ``None`` without rows.
    :param cause: the error that failed the look, if one did.
    """

    status: Status
    message: str
    progress: Progress
    result: dict[str, Any] | None = None
    cause: ThreeCommasError | None = None

    @property
    def final(self) -> bool:
        """Whether the wait is over."""
        return self.status not in (Status.WAITING, Status.UNDECIDED)

    def counting(self, requests: int) -> Decision:
        """Remember what the look has cost.

        :param requests: how many requests it has sent.
        :return: the same decision with a progress that counts them.
        """
        so_far = self.progress.requests
        if so_far is None:
            return self
        return self._replace(progress=_replace(self.progress, requests=so_far + requests))

    def as_event(self) -> dict[str, Any]:
        """Return what the task needs to end, in JSON types: the event of the trigger, and its stand-in elsewhere.

        :return: ``status``, ``message``, ``result``, ``history`` and the ``details`` of the error, if it was one.
        """
        details = {} if self.cause is None else {name: getattr(self.cause, name) for name in ERROR_DETAILS}
        return {
            "status": self.status.value,
            "message": self.message,
            "result": self.result,
            "history": history_points(self.progress),
            "details": {name: value for name, value in details.items() if value is not None},
        }


class Reading:
    """Hold what one look at an account has shown, and what it means to those who have asked already.

    :param account: the Account.
    :param rows: its balance rows; ``None`` if they were not asked for because the account can't settle.
    :param entities: its active entities; ``None`` if they were not asked for.
    """

    __slots__ = ("_assessed", "account", "entities", "rows")

    def __init__(
        self, account: dict[str, Any], rows: Sequence[BalanceRow] | None, entities: dict[str, int] | None = None
    ) -> None:
        self.account = account
        self.rows = rows
        self.entities = entities
        self._assessed: dict[Criteria, _Assessment] = {}

    def assessed(self, criteria: Criteria) -> _Assessment:
        """Measure the rows; once for all waits with the same criteria.

        :param criteria: what settled means.
        :return: the measures.
        """
        if criteria not in self._assessed:
            self._assessed[criteria] = _Assessment(criteria, self.account, self.rows or ())
        return self._assessed[criteria]


def look(undecided: Callable[[Reading], bool]) -> Generator[Question, Any, Reading]:
    """Ask about an account, the cheapest question first and none whose answer can't matter.

    :param undecided: tells whether a reading without the active entities leaves the decision open.
    :return: a generator that yields one question at a time, is sent its answer, and returns the reading.
    """
    account = yield Question.ACCOUNT
    if refusal(account):
        return Reading(account, None)
    reading = Reading(account, (yield Question.ROWS))
    if undecided(reading):
        reading.entities = yield Question.ENTITIES
    return reading


def refusal(account: dict[str, Any]) -> str | None:
    """Say why an account can't be traded, so that waiting for it is in vain.

    :param account: the Account.
    :return: the reason in words, or ``None``.
    """
    if account.get("is_locked"):
        reason = account.get("lock_reason")
        return f"3Commas has locked it ({str(reason)[:200] if reason else 'no reason given'})"
    if account.get("api_key_invalid"):
        return "the exchange rejects the API keys that 3Commas holds for it (api_key_invalid)"
    state = account.get("api_keys_state")
    if state not in (None, "ok"):
        return f"the exchange API keys that 3Commas holds for it are not usable (api_keys_state {str(state)[:40]!r})"
    return None


class Inquiry:
    """Drive a look; when interrupted, go on without asking anything twice.

    :param questions: what ``look`` returned.
    """

    __slots__ = ("_question", "_questions", "requests")

    def __init__(self, questions: Generator[Question, Any, Reading]) -> None:
        self._questions = questions
        self._question = next(questions)
        #: How many requests have been sent so far, those that failed among them.
        self.requests = 0

    def finish(self, ask: Callable[[Question], Any]) -> Reading:
        """Ask what is still to be asked.

        :param ask: sends one request and returns the answer. After an exception from it this may be called again.
        :return: the reading.
        :raises ThreeCommasError: a request failed.
        """
        while True:
            reply = self._counted(ask)
            try:
                self._question = self._questions.send(reply)
            except StopIteration as end:
                reading: Reading = end.value
                return reading

    def _counted(self, ask: Callable[[Question], Any]) -> Any:
        """Ask, and count what was sent: not what has to wait for the budget."""
        from airflow_provider_3commas.budget import WaitForBudget

        self.requests += 1
        try:
            return ask(self._question)
        except WaitForBudget:
            self.requests -= 1
            raise


def leaves_open(criteria: Criteria, progress: Progress, reading: Reading, now: float) -> bool:
    """Tell whether a reading without the active entities leaves the decision open.

    :param criteria: what settled means.
    :param progress: what the looks before have shown.
    :param reading: what this one has shown so far.
    :param now: the time.
    :return: whether the entities have to be asked for.
    """
    return decide(criteria, progress, reading, now).status is Status.UNDECIDED


def begin(now: float) -> Progress:
    """Start a wait.

    :param now: the time.
    :return: the progress before the first look.
    """
    return Progress(started_at=now, unchanged_since=now, requests=0)


def decide(criteria: Criteria, progress: Progress, reading: Reading, now: float) -> Decision:
    """Say what a look means.

    :param criteria: what settled means.
    :param progress: what the looks before have shown.
    :param reading: what this one has shown.
    :param now: the time.
    :return: ``SETTLED``, ``STALLED``, ``FAILED`` or ``WAITING``; ``UNDECIDED`` if it depends on the active entities and
        the reading has none.
    """
    reason = refusal(reading.account)
    if reason is not None:
        step = _replace(progress, reads=progress.reads + 1, failures=0, trouble="", not_before=0.0)
        message = f"Account {reading.account['id']} can't settle: {reason}.{_last_left(progress)}"
        return Decision(Status.FAILED, message, step)
    with localcontext(EXACT):
        return _Judgement(criteria, reading, reading.assessed(criteria), now).after(progress)


class _Judgement(NamedTuple):
    """Weigh one reading."""

    criteria: Criteria
    reading: Reading
    seen: _Assessment
    now: float

    def after(self, progress: Progress) -> Decision:
        """Decide; what is running is looked at last, because asking costs a request."""
        if not self.seen.has_rows and progress.amounts not in ("", self.seen.digest):
            return self._vanished(progress)
        blockers = self.seen.blockers
        step = self._step(progress, settled=not blockers)
        stable = step.stable >= self.criteria.stable_reads
        idle_for = self.now - step.unchanged_since
        stalled = bool(blockers) and not self.seen.orders and idle_for >= self.criteria.stall_after
        # Once something was running, the time without it counts from when it was last seen.
        asked_again = bool(blockers) and progress.running
        if stalled or asked_again or (stable and self.criteria.require_no_entities):
            if self.reading.entities is None:
                return self._waiting(step, [*blockers, "whether anything is running is unknown"], Status.UNDECIDED)
            running = _listed("running: ", _active(self.reading.entities))
            step = _replace(step, running=bool(running))
            if running:
                step = _replace(step, stable=0, unchanged_since=self.now)
                return self._waiting(step, [*blockers, *running])
        if stable:
            return self._settled(step)
        return self._stalled(step, blockers) if stalled else self._waiting(step, blockers)

    def _step(self, progress: Progress, *, settled: bool) -> Progress:
        """Remember this reading."""
        seen = self.seen
        target_amount = seen.target_text
        same_target = progress.stable > 0 and progress.target_amount == target_amount
        moves = seen.digest != progress.amounts or bool(seen.orders)
        return _replace(
            progress,
            reads=progress.reads + 1,
            failures=0,
            trouble="",
            not_before=0.0,
            stable=0 if not settled else progress.stable + 1 if same_target else 1,
            target_amount=target_amount,
            amounts=seen.digest,
            unchanged_since=self.now if moves else progress.unchanged_since,
            history=_extended(progress, seen.unsold_btc, self.now) if seen.has_rows else progress.history,
            seen=seen.text if seen.has_rows else progress.seen,
            seen_at=self.now if seen.has_rows else progress.seen_at,
        )

    def _vanished(self, progress: Progress) -> Decision:
        """Learn nothing from rows that are gone after earlier looks had some: the view is being rebuilt."""
        step = _replace(progress, reads=progress.reads + 1, failures=0, trouble="", not_before=0.0, stable=0)
        sentence = f"has not settled yet: its balances are empty for the moment.{_last_left(progress)}"
        return self._decision(Status.WAITING, step, sentence)

    def _settled(self, step: Progress) -> Decision:
        others = self.seen.residual
        worth = plain(_places(_sum(Decimal(item["btc_value"]) for item in others)))
        return self._decision(
            Status.SETTLED,
            step,
            f"has settled: {self.seen.target_text} {self.criteria.target}, and {len(others)} other assets "
            f"worth {worth} BTC.",
        )

    def _stalled(self, step: Progress, blockers: list[str]) -> Decision:
        left = "; ".join(blockers)
        return self._decision(
            Status.STALLED,
            _replace(step, left=left),
            f"has stalled: for {self.now - step.unchanged_since:.0f} s no amount has changed, nothing was in orders, "
            f"and nothing is running, but {left}. What can't be sold can be named in ignore_currencies.",
        )

    def _waiting(self, step: Progress, blockers: list[str], status: Status = Status.WAITING) -> Decision:
        left = "; ".join(blockers)
        seen_settled = f"seen settled {step.stable} of {self.criteria.stable_reads} times in a row"
        return self._decision(status, _replace(step, left=left), f"has not settled yet: {left or seen_settled}.")

    def _decision(self, status: Status, step: Progress, sentence: str) -> Decision:
        account = self.reading.account
        result = {
            "account_id": account["id"],
            "target": self.criteria.target,
            "settled_at": iso(self.now) if status is Status.SETTLED else None,
            "target_amount": step.target_amount,
            **self.seen.worth,
            "residual": self.seen.residual,
            "reads": step.reads,
            "waited_seconds": round(max(self.now - step.started_at, 0.0), 3),
        }
        return Decision(status, f"Account {account['id']} {sentence}", step, result)


def excuse(criteria: Criteria, progress: Progress, error: ThreeCommasError, account_id: int, now: float) -> Decision:
    """Say what a failed look means: nothing, unless no waiting cures it or too many fail in a row.

    :param criteria: how many failures to put up with.
    :param progress: what the looks before have shown.
    :param error: what the client raised.
    :param account_id: the account's id.
    :param now: the time.
    :return: ``WAITING`` or ``FAILED``.
    """
    failures = progress.failures + 1
    step = _replace(
        progress,
        failures=failures,
        trouble=str(error)[:_TROUBLE_LENGTH],
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


def postpone(progress: Progress, account_id: int, seconds: float, now: float) -> Decision:
    """Put a look off for which there is no request budget yet: not a failure, and not a state.

    :param progress: what the looks have shown.
    :param account_id: the account's id.
    :param seconds: how long to wait for the budget.
    :param now: the time.
    :return: ``WAITING``.
    """
    return Decision(
        Status.WAITING,
        f"Account {account_id} was not looked at: no request budget for {seconds:.1f} s.",
        _replace(progress, not_before=now + seconds),
    )


def expire(progress: Progress, account_id: int, timeout: float) -> Decision:
    """Say what is left when the time is over.

    :param progress: what the looks have shown.
    :param account_id: the account's id.
    :param timeout: how many seconds there were.
    :return: ``TIMEOUT``.
    """
    if not progress.reads:
        left = "it could not be read once" if progress.failures else "there was no request budget to look at it"
    elif progress.left:
        left = progress.left
    else:
        left = f"it was seen settled on only {progress.stable} reads in a row"
    failing = f" The last reads failed ({progress.failures}): {progress.trouble}" if progress.failures else ""
    return Decision(
        Status.TIMEOUT,
        f"Account {account_id} has not settled within {timeout:.10g} s: {left}.{failing}",
        progress,
    )


def next_interval(progress: Progress, interval: float, *, backoff: bool = False, longest: float | None = None) -> float:
    """Return how long to wait for the next look, if nothing else matters.

    :param progress: what the looks have shown.
    :param interval: seconds between looks.
    :param backoff: whether it doubles from look to look.
    :param longest: seconds that it may grow to; ``None`` for no limit.
    :return: seconds.
    """
    interval = max(interval, SHORTEST_INTERVAL)
    if not backoff:
        return interval
    grown = interval * 2.0 ** min(max(progress.reads + progress.failures - 1, 0), 20)
    return grown if longest is None else min(grown, longest)


def history_points(progress: Progress) -> list[list[Any]]:
    """Return the unsold value over time.

    :param progress: what the looks have shown.
    :return: ``[seconds since the start, value in BTC as text]``, oldest first; only the looks that changed it.
    """
    pairs = (point.partition("=") for point in progress.history.split())
    return [[float(seconds), value] for seconds, _, value in pairs]


def last_result(criteria: Criteria, account_id: int, progress: Progress) -> dict[str, Any] | None:
    """Return what the last look that saw the account's balances has shown, however the wait has gone on since.

    :param criteria: what settled means.
    :param account_id: the account's id.
    :param progress: what the looks have shown.
    :return: the form of the sensor's XCom, with ``settled_at`` ``None``; ``None`` if no look has seen the balances.
    """
    if not progress.seen:
        return None
    btc_value, usd_value, residual = msgspec.json.decode(progress.seen)
    return {
        "account_id": account_id,
        "target": criteria.target,
        "settled_at": None,
        "target_amount": progress.target_amount,
        "btc_value": btc_value,
        "usd_value": usd_value,
        "residual": [dict(zip(_RESIDUAL, item, strict=True)) for item in residual],
        "reads": progress.reads,
        "waited_seconds": round(max(progress.seen_at - progress.started_at, 0.0), 3),
    }


def facts(criteria: Criteria, account_id: int, progress: Progress, *, settled: bool) -> dict[str, Any]:
    """Return what a report needs to know of a wait beside its outcome.

    :param criteria: what settled means.
    :param account_id: the account's id.
    :param progress: what the looks have shown.
    :param settled: whether the account has settled: then the outcome says what is left.
    :return: ``account_id``, ``criteria``, ``requests`` (``None`` if unknown) and ``result``, what was last seen of an
        account that has not settled, or ``None``; in JSON types, money as text.
    """
    return {
        "account_id": account_id,
        "criteria": as_json(criteria),
        "requests": progress.requests,
        "result": None if settled else last_result(criteria, account_id, progress),
    }


def final_event(criteria: Criteria, account_id: int, decision: Decision) -> dict[str, Any]:
    """Return what the task needs to end, whoever did the waiting.

    :param criteria: what settled means.
    :param account_id: the account's id.
    :param decision: a final one.
    :return: ``Decision.as_event`` and ``facts``.
    """
    settled = decision.status is Status.SETTLED
    return {**decision.as_event(), "facts": facts(criteria, account_id, decision.progress, settled=settled)}


def residual_btc(result: dict[str, Any]) -> str:
    """Add up what a result has left beside the target.

    :param result: a decision's result.
    :return: the value in BTC, as text.
    """
    with localcontext(EXACT):
        return plain(_sum(Decimal(item["btc_value"]) for item in result["residual"]))


class _Residual(NamedTuple):
    currency: str
    amount: Decimal | None
    btc_value: Decimal

    def as_json(self) -> dict[str, Any]:
        amount = None if self.amount is None else plain(self.amount)
        return dict(zip(_RESIDUAL, (self.currency, amount, plain(self.btc_value)), strict=True))

    def __str__(self) -> str:
        amount = "an unknown amount of" if self.amount is None else plain(self.amount)
        return f"{amount} {self.currency} ({plain(_places(self.btc_value))} BTC)"


class _Holding:
    """Add up the rows of one currency."""

    __slots__ = ("amount", "btc_value", "currency", "orders", "owed_btc", "owned_btc", "unknown", "usd_value")

    def __init__(self, currency: str) -> None:
        self.currency = currency
        self.amount = self.btc_value = self.usd_value = self.orders = self.owned_btc = self.owed_btc = _ZERO
        self.unknown: list[str] = []

    def add(self, row: BalanceRow) -> None:
        position, btc_value = known(row.position), known(row.btc_value)
        if position == 0 and btc_value is None:
            btc_value = _ZERO
        if position is None or btc_value is None:
            self.unknown.append("position" if position is None else "btc_value")
        position, btc_value = position or _ZERO, btc_value or _ZERO
        self.amount += position
        self.btc_value += btc_value
        self.usd_value += known(row.usd_value) or _ZERO
        if position < 0:
            self.owed_btc += abs(btc_value)
        else:
            self.owned_btc += max(btc_value, _ZERO)
            self.owed_btc += max(-btc_value, _ZERO)
        self._add_orders(row, position)
        self._add_debt(row, position, btc_value)

    def _add_orders(self, row: BalanceRow, position: Decimal) -> None:
        orders, available = known(row.on_orders), known(row.position_available)
        if orders is None and available is not None:
            orders = position - available
        if orders is None and position != 0:
            self.unknown.append("on_orders")
        self.orders += max(orders or _ZERO, _ZERO)

    def _add_debt(self, row: BalanceRow, position: Decimal, btc_value: Decimal) -> None:
        borrowed, price = known(row.borrowed), known(row.current_price)
        if row.borrowed is not None and borrowed is None:
            self.unknown.append("borrowed")
        if not borrowed:
            return
        if price is None and position != 0:
            price = abs(btc_value / position)
        if price is None:
            self.unknown.append("current_price")
        self.owed_btc += abs(borrowed) * (price or _ZERO)


class _Assessment:
    """Measure rows by some criteria."""

    __slots__ = (
        "blockers",
        "digest",
        "has_rows",
        "orders",
        "residual",
        "target_text",
        "text",
        "unsold",
        "unsold_btc",
        "worth",
    )

    def __init__(self, criteria: Criteria, account: dict[str, Any], rows: Sequence[BalanceRow]) -> None:
        holdings = _held(rows)
        judged = [holding for code, holding in holdings.items() if code not in criteria.ignore_currencies]
        others = [holding for holding in judged if holding.currency not in criteria.kept]
        self.has_rows = bool(rows)
        self.target_text = plain(_sum(held.amount for code, held in holdings.items() if code in criteria.kept))
        self.digest = _digest(judged)
        self.orders = [held for held in judged if held.orders > 0]
        self.unsold_btc = plain(_places(_sum(held.owned_btc for held in others)))
        left = _by_value(
            held
            for code, held in holdings.items()
            if code not in criteria.kept and (held.amount or held.btc_value or "position" in held.unknown)
        )
        self.residual = [item.as_json() for item in left]
        self.worth = {"btc_value": _plain(account.get("btc_amount")), "usd_value": _plain(account.get("usd_amount"))}
        #: The same in short, to remember.
        self.text = msgspec.json.encode(
            [*self.worth.values(), [list(item.values()) for item in self.residual]]
        ).decode()
        #: What keeps the account from being settled, most telling first.
        self.blockers = [
            *_listed("unsold: ", map(str, _by_value(h for h in others if h.owned_btc > criteria.dust_btc))),
            *_listed(
                "owed (debt is not settled): ", (_owed(held) for held in judged if held.owed_btc > criteria.dust_btc)
            ),
            *_listed("in orders: ", (f"{plain(held.orders)} {held.currency}" for held in self.orders)),
            *_listed("incomplete balances: ", (_gaps(held) for held in judged if held.unknown)),
            *_mismatch(criteria, account, holdings),
        ]


def _held(rows: Iterable[BalanceRow]) -> dict[str, _Holding]:
    holdings: dict[str, _Holding] = {}
    for row in rows:
        code = row.currency_code.strip().upper()
        if code not in holdings:
            holdings[code] = _Holding(code)
        holdings[code].add(row)
    # What is said must not depend on the order in which the rows come.
    return dict(sorted(holdings.items()))


def _active(entities: dict[str, int]) -> list[str]:
    return [f"{count} {name.removesuffix('_count')}" for name, count in entities.items() if count]


def _owed(held: _Holding) -> str:
    return f"{held.currency} ({plain(_places(held.owed_btc))} BTC)"


def _gaps(held: _Holding) -> str:
    """Name what a row lacks: what is missing is not zero."""
    return f"{held.currency} without {' and '.join(sorted(set(held.unknown)))}"


def _mismatch(criteria: Criteria, account: dict[str, Any], holdings: dict[str, _Holding]) -> list[str]:
    """Tell rows that do not add up to the account's value.

    What is in BTC is worth the same in both replies, so it has to agree to within dust. The rest is valued at two
    moments; it gets ``view_tolerance``. (A share of the whole would hide a row that is missing beside a lot of BTC.)
    """
    total = read_amount(account.get("btc_amount"))
    if total is None:
        return ["the account's btc_amount is missing"]
    if not holdings and total != 0:
        return [f"the balances are empty, but the account is worth {plain(_places(total))} BTC"]
    rows = _sum(held.btc_value for held in holdings.values())
    btc = holdings["BTC"].btc_value if "BTC" in holdings else _ZERO
    moving = max(_sum(abs(held.btc_value) for code, held in holdings.items() if code != "BTC"), abs(total - btc))
    if abs(total - rows) <= criteria.dust_btc + criteria.view_tolerance * moving:
        return []
    return [f"the balances add up to {plain(_places(rows))} BTC of the account's {plain(_places(total))} BTC"]


def _plain(value: object) -> str | None:
    amount = read_amount(value)
    return None if amount is None else plain(amount)


def _by_value(holdings: Iterable[_Holding]) -> list[_Residual]:
    found = [
        _Residual(held.currency, None if "position" in held.unknown else held.amount, held.btc_value)
        for held in holdings
    ]
    return sorted(found, key=lambda item: (-abs(item.btc_value), item.currency))


def _digest(holdings: Iterable[_Holding]) -> str:
    """Return a short text that changes when an amount does, whatever the order of the rows; prices don't count."""
    lines = sorted(f"{held.currency}={plain(held.amount)}/{plain(held.orders)}" for held in holdings)
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=12).hexdigest()


def as_json(remembered: Criteria | Progress) -> dict[str, Any]:
    """Return what goes into a trigger's arguments or the task's state store.

    :param remembered: criteria or progress.
    :return: JSON types only, numbers of money as text; ``msgspec.convert`` reads it back.
    """
    plain_types: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(remembered))
    return plain_types


def iso(moment: float) -> str:
    """Write a point in time.

    :param moment: seconds since 1970.
    :return: ISO 8601 in UTC.
    """
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC).isoformat()


def _extended(progress: Progress, value: str, now: float) -> str:
    """Add a point to the history if it says something new; every second one goes when there are too many."""
    points = progress.history.split()
    if points and points[-1].partition("=")[2] == value:
        return progress.history
    points.append(f"{max(now - progress.started_at, 0.0):.1f}={value}")
    if len(points) > _HISTORY_POINTS:
        points = points[:-1:2] + points[-1:]
    return " ".join(points)


def _last_left(progress: Progress) -> str:
    return f" Before that: {progress.left}." if progress.left else ""


def _listed(title: str, names: Iterable[str]) -> list[str]:
    """Return one phrase that names the first few, or nothing."""
    found = list(names)
    if not found:
        return []
    more = len(found) - _NAMED_AT_MOST
    return [title + ", ".join(found[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")]


def _places(value: Decimal) -> Decimal:
    """Round a value for people; amounts are never rounded."""
    return value.quantize(Decimal("1E-8")) if value.adjusted() >= -8 else value.normalize(Context(prec=3))


def _sum(values: Iterable[Decimal]) -> Decimal:
    return sum(values, _ZERO)


def _in_range(name: str, value: Decimal | float, low: int, high: int, unit: str) -> None:
    if not low <= value <= high:
        raise ConfigurationError(f"{name} must be between {low} and {high} ({unit}), got {value}.")


def _exact(name: str, value: object) -> Decimal:
    number = None
    if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = None
    if number is None or not number.is_finite():
        hint = f" Write it as text: '{value}'." if isinstance(value, float) else ""
        raise ConfigurationError(
            f"{name} must be an exact number (a Decimal, an int or text such as '0.0001'), got {value!r}.{hint}"
        )
    return number


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{name} must be a whole number, got {value!r}.")
    return value


def _seconds(name: str, value: object) -> float:
    from datetime import timedelta

    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError(f"{name} must be a number of seconds or a timedelta, got {value!r}.")
    return float(value)


def _currencies(name: str, value: object) -> tuple[str, ...]:
    """Read currency codes, which a template renders to text."""
    if value is None:
        return ()
    codes = value.split(",") if isinstance(value, str) else value
    if not isinstance(codes, (list, tuple, set, frozenset)) or not all(isinstance(code, str) for code in codes):
        raise ConfigurationError(f"{name} must be a list of currency codes such as ['LUNA'], got {value!r}.")
    found = {code.strip().upper() for code in codes} - {""}
    bad = sorted(code for code in found if not _CURRENCY.fullmatch(code))
    if bad or "NONE" in found:
        raise ConfigurationError(f"{name} must be a list of currency codes such as ['LUNA'], got {value!r}.")
    return tuple(sorted(found))
