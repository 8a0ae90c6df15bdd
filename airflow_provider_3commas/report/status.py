"""The status of a liquidation, and the headline of its report."""

from __future__ import annotations

from typing import Any

from airflow_provider_3commas.in_words import describe_duration
from airflow_provider_3commas.money import in_btc, read_amount, short

#: Name and tone of each status; the tone is ``good``, ``bad``, ``busy`` or ``plain``.
STATUSES = {
    "settled": ("Settled", "good"),
    "settling": ("Settling", "busy"),
    "selling": ("Selling", "busy"),
    "pending": ("Not started", "plain"),
    "sold": ("Sold", "plain"),
    "dry_run": ("Dry run", "plain"),
    "skipped": ("Skipped", "plain"),
    "not_settled": ("Not settled", "bad"),
    "failed": ("Failed", "bad"),
    "outcome_unknown": ("Outcome unknown", "bad"),
    "not_run": ("Not run", "bad"),
    "unknown": ("Unknown", "bad"),
}

#: Outcomes of a sale that was carried out for certain.
SOLD = ("accepted", "reconciled", "recorded")
#: Outcomes of a sale that was certainly not carried out, and what each says.
NOT_SOLD = {
    "refused": "Nothing was sold: the liquidation was refused before anything was sent.",
    "not_sent": "Nothing was sold: the sale could not be sent, or the account could not be read.",
    "rejected": "Nothing was sold: 3Commas refused the sale.",
}
OUTCOMES = (*SOLD, "dry_run", *NOT_SOLD, "unknown")

_FAILED = ("failed", "upstream_failed", "removed")
_PENDING = ("none", "scheduled", "queued")
_ACTIVE = ("running", "deferred", "up_for_retry", "up_for_reschedule", "restarting", "awaiting_input")
#: States in which what the sensor has pushed is not its last word.
UNDER_WAY = frozenset((*_ACTIVE, *_PENDING)) - {"up_for_retry"}

_PLAIN_HEADLINES = {
    "settling": "The sale into {target} was accepted; waiting for the balances to settle.",
    "selling": "The liquidation is under way.",
    "pending": "The liquidation has not started yet.",
    "sold": "The sale into {target} was accepted. Whether it has settled is not known here.",
    "dry_run": "Dry run: nothing was sold. A real run would sell everything into {target}.",
    "skipped": "The liquidation was skipped: nothing was sold by this task.",
    "not_run": "The liquidation did not run: a task before it has failed. Nothing was sold by this task.",
    "unknown": "What became of the liquidation is not recorded.",
}
# A try that was killed leaves no XCom.
_NO_OUTCOME = (
    "The liquidation failed. Its log says whether anything was sold; if in doubt, look at the account in 3Commas."
)


def status_of(
    outcome: str | None, *, settled: bool, waited: bool, sale_state: str | None, wait_state: str | None
) -> str:
    """Return the status by what the XComs say, and where they say nothing, by the states of the two tasks."""
    if outcome == "dry_run":
        return "dry_run"
    if outcome in NOT_SOLD:
        return _under_way(sale_state) or "failed"
    if settled:
        return "settled"
    if outcome == "unknown":
        return "outcome_unknown"
    if outcome or waited:
        return _after_sale(waited, wait_state)
    return _without_sale(sale_state)


def _after_sale(waited: bool, state: str | None) -> str:
    if waited or state in (*_FAILED, "skipped"):
        return "not_settled"
    return "settling" if state in (*_ACTIVE, *_PENDING) else "sold"


def _without_sale(state: str | None) -> str:
    if state == "failed":
        return "failed"
    if state in _FAILED:
        return "not_run"
    return _under_way(state) or ("skipped" if state == "skipped" else "unknown")


def _under_way(state: str | None) -> str | None:
    if state in _ACTIVE:
        return "selling"
    return "pending" if state in _PENDING else None


def headline(report: dict[str, Any]) -> str:
    """Return the result in a sentence or two, with the reason if it is a failure."""
    status, sale = report["status"], report["sale"]
    if status == "settled":
        return _settled(report)
    if status == "not_settled":
        return f"The account has not settled.{_last_seen(report)} Look at it in 3Commas."
    if status == "failed":
        return _with_reason(NOT_SOLD.get(sale["outcome"], _NO_OUTCOME), sale)
    if status == "outcome_unknown":
        unknown = "Whether anything was sold is not known: look at the account in 3Commas before you do anything else."
        return _with_reason(unknown + _last_seen(report), sale)
    return _PLAIN_HEADLINES[status].format(target=report["target"])


def _settled(report: dict[str, Any]) -> str:
    after, unsold, settling = report["after"], report["unsold"], report["settling"]
    amount = read_amount((after or {}).get("target_amount"))
    took, since = settling["since_sale_seconds"], "after the sale"
    if took is None:
        took, since = settling["waited_seconds"], "of waiting"
    after_how_long = "" if took is None else f" {describe_duration(took)} {since}"
    rest = f"{_describe_worth(unsold)} left unsold" if unsold["items"] else "nothing is left unsold"
    return f"Settled{after_how_long}: the account holds {short(amount)} {report['target']}, and {rest}."


def _last_seen(report: dict[str, Any]) -> str:
    unsold = report["unsold"]
    return "" if unsold["btc_value"] is None else f" At the last poll, {_describe_worth(unsold)} left unsold."


def _describe_worth(unsold: dict[str, Any]) -> str:
    value = read_amount(unsold["btc_value"])
    return "assets of unknown worth are" if value is None else f"assets worth {in_btc(value)} are"


def _with_reason(sentence: str, sale: dict[str, Any]) -> str:
    return f"{sentence} {sale['reason']}" if sale["reason"] else sentence
