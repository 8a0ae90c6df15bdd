"""What is remembered of a wait, how it has ended, and how both are written.

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

#: Attributes of the error that ended a wait, as the event carries them.
ERROR_DETAILS = ("method", "path", "status_code", "code", "description", "request_id", "retry_after")
#: Fields of an asset beside the target.
RESIDUAL = ("currency", "amount", "btc_value")

_MAX_HISTORY_POINTS = 100
_replace = msgspec.structs.replace


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What the polls so far have shown. Stored, so every field has a default: older ones stay readable."""

    #: When the wait began.
    started_at: float = 0.0
    #: Polls that got an answer.
    reads: int = 0
    #: Polls in a row that got none.
    failures: int = 0
    #: Reads in a row that showed the account settled.
    stable: int = 0
    #: Since when they have, less the time in which nobody looked; 0 if they don't, or an older version stored them.
    stable_since: float = 0.0
    #: For how many seconds it had been settled when it last was so no longer, after enough reads; 0 if it never was.
    settled_for: float = 0.0
    #: Amount of the target at the last of them.
    target_amount: str = ""
    #: Digest of all amounts at the last read that had rows.
    amounts: str = ""
    #: All counts of active entities when they were last asked for.
    counts: str = ""
    #: What was running then, in words; empty if nothing was.
    runs: str = ""
    #: When that was.
    asked_at: float = 0.0
    #: Since when no amount, no order and no count has changed.
    unchanged_since: float = 0.0
    #: Only older versions set this.
    running: bool = False
    #: Since when the polls have shown no balances; 0 if the last one did.
    empty_since: float = 0.0
    #: Polls in a row that showed the account empty.
    empties: int = 0
    #: When the next poll may be made at the earliest: the server asked for it.
    not_before: float = 0.0
    #: What stood between the account and being settled at the last poll, in words.
    left: str = ""
    #: Message of the last poll if it failed.
    trouble: str = ""
    #: Unsold value over time: ``seconds=btc`` joined by blanks.
    history: str = ""
    #: How many requests the polls have sent; ``None`` if those of some are not known.
    requests: int | None = None
    #: What the account held at the last read that had rows: its value in BTC and in USD and what was beside the
    #: target, as a JSON list, which takes a tenth of the memory of a result.
    seen: str = ""
    #: When that was.
    seen_at: float = 0.0


class Status(Enum):
    """What a poll means."""

    #: Not settled, and waiting may help.
    WAITING = "waiting"
    #: Depends on the active entities, which were not asked for.
    UNDECIDED = "undecided"
    SETTLED = "settled"
    #: Nothing moves any more, and something is left.
    STALLED = "stalled"
    #: No waiting helps.
    FAILED = "failed"
    #: The time is over.
    TIMEOUT = "timeout"


class Decision(NamedTuple):
    """What a poll means, and what to remember of it."""

    status: Status
    #: The status in words, naming what is left.
    message: str
    progress: Progress
    #: The sensor's XCom; ``settled_at`` is set only if the account has settled. ``None`` without rows.
    result: dict[str, Any] | None = None
    #: The error that failed the poll, if one did.
    cause: ThreeCommasError | None = None

    @property
    def final(self) -> bool:
        """Whether the wait is over."""
        return self.status not in (Status.WAITING, Status.UNDECIDED)

    def add_requests(self, requests: int) -> Decision:
        """Count the requests that the poll has sent, unless those of earlier polls are not known."""
        so_far = self.progress.requests
        if so_far is None:
            return self
        return self._replace(progress=_replace(self.progress, requests=so_far + requests))


def new_progress(now: float) -> Progress:
    """Return the progress before the first poll."""
    return Progress(started_at=now, unchanged_since=now, requests=0)


def history_points(progress: Progress) -> list[list[Any]]:
    """Return ``[seconds since the start, unsold value in BTC as text]``, oldest first; only polls that changed it."""
    pairs = (point.partition("=") for point in progress.history.split())
    return [[float(seconds), value] for seconds, _, value in pairs]


def add_to_history(progress: Progress, value: str, now: float) -> str:
    """Return the history with a value if that has changed; every second point goes when there are too many."""
    points = progress.history.split()
    if points and points[-1].partition("=")[2] == value:
        return progress.history
    points.append(f"{max(now - progress.started_at, 0.0):.1f}={value}")
    if len(points) > _MAX_HISTORY_POINTS:
        points = points[:-1:2] + points[-1:]
    return " ".join(points)


def last_result(criteria: Criteria, account_id: int, progress: Progress) -> dict[str, Any] | None:
    """Return what the last poll that saw the balances has shown, in the form of the sensor's XCom; ``None`` if none."""
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
    """Build the XCom ``settlement_facts``: what a report needs beside the outcome, which has the result if settled."""
    return {
        "account_id": account_id,
        "criteria": as_json(criteria),
        "requests": progress.requests,
        "result": None if settled else last_result(criteria, account_id, progress),
    }


def final_event(criteria: Criteria, account_id: int, decision: Decision) -> dict[str, Any]:
    """Build what the task needs to end, in JSON types: the event of the trigger, and its stand-in elsewhere."""
    details = {} if decision.cause is None else {name: getattr(decision.cause, name) for name in ERROR_DETAILS}
    settled = decision.status is Status.SETTLED
    return {
        "status": decision.status.value,
        "message": decision.message,
        "result": decision.result,
        "history": history_points(decision.progress),
        "details": {name: value for name, value in details.items() if value is not None},
        "facts": wait_facts(criteria, account_id, decision.progress, settled=settled),
    }


def residual_btc(result: dict[str, Any]) -> str:
    """Return the value in BTC, as text, of what a result has left beside the target."""
    return plain(total(Decimal(item["btc_value"]) for item in result["residual"]))


def as_json(remembered: Criteria | Progress) -> dict[str, Any]:
    """Return JSON types only, for a trigger's arguments or the state store; ``msgspec.convert`` reads them back."""
    json_types: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(remembered))
    return json_types
