"""What is remembered of a wait, what it has come to, and how both are written.

Small, JSON-able, and the same in all modes of the sensor. Money is ``Decimal``, and text in plain notation where it is
stored; points in time are seconds since 1970.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from airflow_provider_3commas.money import plain, total

if TYPE_CHECKING:
    from airflow_provider_3commas.api.errors import ThreeCommasError
    from airflow_provider_3commas.settlement.criteria import Criteria

#: What is told of an error that ended a wait.
ERROR_DETAILS = ("method", "path", "status_code", "code", "description", "request_id", "retry_after")
#: What is told of an asset beside the target.
RESIDUAL = ("currency", "amount", "btc_value")

_HISTORY_POINTS = 100
_replace = msgspec.structs.replace


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Remember what the polls so far have shown; every field has a default, so that older ones stay readable.

    :param started_at: when the wait began.
    :param reads: polls that got an answer.
    :param failures: polls in a row that got none.
    :param stable: reads in a row that showed the account settled.
    :param target_amount: what there was of the target at the last of them.
    :param amounts: digest of all amounts at the last read that had rows.
    :param counts: what was running on the account when that was last asked, all counts.
    :param runs: the same in words; empty if nothing was.
    :param asked_at: when that was.
    :param unchanged_since: since when no amount, no order and no count has changed.
    :param running: as older versions remembered it.
    :param empty_since: since when the polls have shown no balances; 0 if the last one did.
    :param empties: polls in a row that showed the account empty.
    :param not_before: when the next poll may be made at the earliest: the server asked for it.
    :param left: what stood between the account and being settled at the last poll, in words.
    :param trouble: what the last failed poll said, if the last poll failed.
    :param history: unsold value over time: ``seconds=btc`` joined by blanks.
    :param requests: how many requests the polls have sent; ``None`` if those of some are not known.
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
    counts: str = ""
    runs: str = ""
    asked_at: float = 0.0
    unchanged_since: float = 0.0
    running: bool = False
    empty_since: float = 0.0
    empties: int = 0
    not_before: float = 0.0
    left: str = ""
    trouble: str = ""
    history: str = ""
    requests: int | None = None
    seen: str = ""
    seen_at: float = 0.0


class Status(Enum):
    """Name what a poll means."""

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
    :param cause: the error that failed the poll, if one did.
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

    def add_requests(self, requests: int) -> Decision:
        """Remember what the poll has cost.

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


def new_progress(now: float) -> Progress:
    """Start a wait.

    :param now: the time.
    :return: the progress before the first poll.
    """
    return Progress(started_at=now, unchanged_since=now, requests=0)


def history_points(progress: Progress) -> list[list[Any]]:
    """Return the unsold value over time.

    :param progress: what the polls have shown.
    :return: ``[seconds since the start, value in BTC as text]``, oldest first; only the polls that changed it.
    """
    pairs = (point.partition("=") for point in progress.history.split())
    return [[float(seconds), value] for seconds, _, value in pairs]


def add_to_history(progress: Progress, value: str, now: float) -> str:
    """Add a point to the history if it says something new; every second one goes when there are too many."""
    points = progress.history.split()
    if points and points[-1].partition("=")[2] == value:
        return progress.history
    points.append(f"{max(now - progress.started_at, 0.0):.1f}={value}")
    if len(points) > _HISTORY_POINTS:
        points = points[:-1:2] + points[-1:]
    return " ".join(points)


def last_result(criteria: Criteria, account_id: int, progress: Progress) -> dict[str, Any] | None:
    """Return what the last poll that saw the account's balances has shown, however the wait has gone on since.

    :param criteria: what settled means.
    :param account_id: the account's id.
    :param progress: what the polls have shown.
    :return: the form of the sensor's XCom, with ``settled_at`` ``None``; ``None`` if no poll has seen the balances.
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
        "residual": [dict(zip(RESIDUAL, item, strict=True)) for item in residual],
        "reads": progress.reads,
        "waited_seconds": round(max(progress.seen_at - progress.started_at, 0.0), 3),
    }


def wait_facts(criteria: Criteria, account_id: int, progress: Progress, *, settled: bool) -> dict[str, Any]:
    """Return what a report needs to know of a wait beside its outcome.

    :param criteria: what settled means.
    :param account_id: the account's id.
    :param progress: what the polls have shown.
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
    return {**decision.as_event(), "facts": wait_facts(criteria, account_id, decision.progress, settled=settled)}


def residual_btc(result: dict[str, Any]) -> str:
    """Add up what a result has left beside the target.

    :param result: a decision's result.
    :return: the value in BTC, as text.
    """
    return plain(total(Decimal(item["btc_value"]) for item in result["residual"]))


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
