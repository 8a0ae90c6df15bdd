"""What does not let a run sell: the wrong time, the wrong account, the wrong kind of account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.api.errors import JournalUnusable, LiquidationRefused, RateLimitExceeded
from airflow_provider_3commas.holdings import account_problem
from airflow_provider_3commas.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

#: How the API names the exchange of a paper account. Which accounts the mode header acts on is not documented, so this
#: is what proves that an account is a paper one.
PAPER_MARKET = "paper_trading"


@dataclass(frozen=True)
class Run:
    """What Airflow says of the task instance and its DAG run."""

    #: The task instance as ``dag_id/run_id/task_id``, with ``[map_index]`` if it is mapped.
    task: str
    #: Number of the try; 0 for ``airflow tasks test``.
    try_number: int
    mapped: bool
    #: How often the DAG run was cleared.
    clear_number: int
    #: Airflow's run type, e.g. ``scheduled``.
    run_type: str
    #: Since when the run could run.
    run_after: datetime


def check_run(run: Run, now: datetime, *, max_lateness: timedelta | None, allow_backfill: bool) -> None:
    """Refuse a backfill unless it is allowed, and another run later than ``max_lateness`` after its ``run_after``."""
    if run.run_type == "backfill":
        if allow_backfill:
            return
        raise LiquidationRefused(
            "This is a backfill run: it would sell the account as it is now, for a date that has passed. Nothing was "
            "sent. Set allow_backfill=True on the operator if that is meant."
        )
    if max_lateness is not None and now - run.run_after > max_lateness:
        raise LiquidationRefused(
            f"This run ({run.run_type}) was due at {_iso(run.run_after)} and it is {_iso(now)} now: more than "
            f"max_lateness ({max_lateness}) late. A liquidation that was right then may be wrong now. Nothing was "
            "sent. Start a new DAG run to sell now, or set a longer max_lateness on the operator (None for any)."
        )


def refuse_if_too_late(error: RateLimitExceeded, seconds_left: float) -> None:
    """Refuse to wait where the run would be too late to sell by the end of the rate limit."""
    if (error.retry_after or 0.0) > seconds_left:
        raise LiquidationRefused(
            f"{error} By then this run would be later than it may sell. Nothing was sold. Start a new DAG run then, or "
            "set a longer max_lateness on the operator."
        ) from error


def check_account(account: Mapping[str, Any], account_name: str | None, mode: str) -> None:
    """Refuse an account that can't be sold, is of the wrong kind, or has another name than ``account_name``."""
    described = _describe(account)
    name = account.get("name")
    # What comes from the API is one printable line; the same name may be written here as 3Commas has it.
    if account_name is not None and name != one_line(account_name):
        raise LiquidationRefused(
            f"Account {account['id']} ({account.get('exchange_name')}) is named {name!r}, but account_name is "
            f"{account_name!r}. Nothing was sent. Correct account_id or account_name."
        )
    problem = mode_mismatch(account, mode)
    if problem:
        raise LiquidationRefused(f"Nothing was sent. {problem}")
    problem = account_problem(account)
    if problem:
        raise LiquidationRefused(
            f"{described} can't be sold: {problem}. Nothing was sent. Unlock it or renew its exchange's API keys in "
            "3Commas, or close the positions on the exchange."
        )
    if account.get("fast_convert_available") is False:
        raise LiquidationRefused(
            f"{described} has no sell-all (fast_convert_available is false). Nothing was sent. Close the positions on "
            "the exchange."
        )


def mode_mismatch(account: Mapping[str, Any], mode: str) -> str | None:
    """Return why an account is not proven to be of the connection's mode, in sentences; ``None`` if it is."""
    market = account.get("market_code")
    if mode == "paper" and market != PAPER_MARKET:
        return (
            f"{_describe(account)} is not proven to be a paper account: its market_code is {market!r}, not "
            f"{PAPER_MARKET!r}, and the connection's mode is 'paper'. Take the id of a paper account, or a connection "
            "whose mode is 'real'."
        )
    if mode == "real" and market == PAPER_MARKET:
        return (
            f"{_describe(account)} is a paper account, and the connection's mode is 'real'. Take the id of a real "
            "account, or a connection whose mode is 'paper'."
        )
    return None


def check_without_journal(run: Run, *, has_store: bool) -> None:
    """Refuse a task instance of which nothing is recorded although it may have sold."""
    if run.mapped and run.clear_number:
        raise JournalUnusable(
            "This DAG run was cleared, and nothing is recorded of this mapped index from before: its account may have "
            "been sold under another index. Nothing was sent. Look at the account in 3Commas; to liquidate it, start "
            "a new DAG run."
        )
    if has_store and run.try_number > 1:
        raise JournalUnusable(
            f"This is try {run.try_number}, and nothing is recorded of an earlier one: Airflow's task state store was "
            "emptied ([state_store] clear_on_success, or by hand), or the earlier try died before it began. It may "
            "have sold the account. Nothing was sent. Look at the account in 3Commas; to liquidate it, start a new "
            "DAG run."
        )


def _describe(account: Mapping[str, Any]) -> str:
    return f"Account {account['id']} ({account.get('name')!r}, {account.get('exchange_name')})"


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")
