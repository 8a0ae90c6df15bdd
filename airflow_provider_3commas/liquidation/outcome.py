"""XCom ``liquidation``: what became of a sale, in one form whatever the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.holdings import may_be_rebalanced

if TYPE_CHECKING:
    from airflow_provider_3commas.liquidation.journal import Journal

#: Outcomes of a try that has sent nothing; ``rejected`` and ``unknown`` are none of them.
_NOTHING_SENT = ("dry_run", "refused", "not_sent")
_MAX_REASON_LENGTH = 1000


def outcome_facts(
    outcome: str,
    *,
    account_id: int | None,
    target: str,
    mode: str | None = None,
    journal: Journal | None = None,
    error: BaseException | None = None,
    requests: int = 0,
) -> dict[str, Any]:
    """Build the XCom, in JSON types; without a mode, a journal and requests for a try that ended before it had any."""
    return {
        "outcome": outcome,
        "reason": None if error is None else reason_of(error),
        "account_id": account_id,
        "target": target,
        "mode": mode,
        "sent_at": journal.intent_at if journal and outcome not in _NOTHING_SENT else None,
        "decided_at": journal.decided_at if journal else None,
        "request_id": journal.request_id if journal else None,
        "evidence": list(journal.evidence) if journal else [],
        "autobalance_enabled": _autobalance(journal),
        "requests": requests,
    }


def _autobalance(journal: Journal | None) -> bool | None:
    """Return whether 3Commas may rebalance the account, as far as it was read."""
    if journal is None:
        return None
    flag = may_be_rebalanced(journal.account or {})
    return journal.baseline.autobalance_enabled if flag is None and journal.baseline else flag


def reason_of(error: BaseException) -> str:
    """Return one line of bounded length that says why."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _MAX_REASON_LENGTH else text[: _MAX_REASON_LENGTH - 3] + "..."
