"""The record of one task instance's sale, across its tries: written before a request leaves, read before the next one.

The API has no idempotency key and a reply names no order, so what a later try may do rests on this record and on what
the exchange shows. It is one JSON value under one key of Airflow's task state store.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from decimal import InvalidOperation
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.api.errors import JournalUnusable
from airflow_provider_3commas.liquidation.snapshot import Snapshot
from airflow_provider_3commas.money import jsonable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_VERSION = 2
#: How a message says that a field of the subject has changed.
_SUBJECT_CHANGES = {
    "account_id": "account_id {before!r}, this one is about {now!r}",
    "target": "target {before!r}, this one is about {now!r}",
    "mode": "mode {before!r}, this one is in mode {now!r}",
    "base_url": "the API at {before}, this one is about the one at {now}",
    "api_key_hash": "another API key",
}


class Phase(Enum):
    """How far the sale had come when the record was written."""

    #: The first try has begun; nothing was sent.
    BEGUN = "begun"
    #: About to be sent; whether it was is unknown until another phase is written.
    INTENT = "intent"
    #: Answered with the Account, or seen on the exchange afterwards.
    ACCEPTED = "accepted"
    #: Certainly not carried out: refused, or not sent.
    REJECTED = "rejected"


@dataclass(frozen=True)
class Subject:
    """What the sale is about: none of this may change between the tries."""

    account_id: int
    target: str
    mode: str
    base_url: str
    #: Tells API keys apart without naming them.
    api_key_hash: str


@dataclass(frozen=True)
class Journal:
    """What is known of the sale; all times are ISO 8601 text in UTC."""

    #: ``None`` if the first try ended before it could know.
    subject: Subject | None
    phase: Phase
    #: When the first try began.
    begun_at: str
    #: How many times a sell-all was sent, or was about to be, with an outcome that is not known.
    unresolved: int = 0
    #: The account before the oldest of them; ``None`` if it could not be read.
    baseline: Snapshot | None = None
    #: When the oldest of them was about to be sent.
    intent_at: str | None = None
    #: When the outcome was known.
    decided_at: str | None = None
    #: The reply's request id, which 3Commas support asks for.
    request_id: str | None = None
    #: The Account that the accepted sell-all was answered with, or that showed it.
    account: Mapping[str, Any] | None = None
    #: What the exchange showed, if that is how the outcome became known.
    evidence: tuple[str, ...] = ()

    def intend(self, at: str, baseline: Snapshot | None) -> Journal:
        """Return the record of a sell-all that is about to be sent.

        The baseline stays that of the oldest one whose outcome is not known.
        """
        if self.phase is Phase.INTENT:
            return replace(self, unresolved=self.unresolved + 1)
        return Journal(self.subject, Phase.INTENT, self.begun_at, unresolved=1, baseline=baseline, intent_at=at)

    def accepted(
        self,
        at: str,
        account: Mapping[str, Any],
        *,
        request_id: str | None = None,
        evidence: Iterable[str] = (),
    ) -> Journal:
        """Return the record of a sell-all that was carried out."""
        return replace(
            self,
            phase=Phase.ACCEPTED,
            unresolved=0,
            decided_at=at,
            account=account,
            request_id=request_id,
            evidence=tuple(evidence),
        )

    def rejected(self, at: str, request_id: str | None = None) -> Journal:
        """Return the record of a sell-all that was certainly not carried out; that says nothing of an earlier one."""
        if self.unresolved > 1:
            return replace(self, unresolved=self.unresolved - 1)
        return replace(self, phase=Phase.REJECTED, unresolved=0, decided_at=at, request_id=request_id)

    def as_json(self) -> dict[str, Any]:
        """Return the record in JSON types, money as decimal text."""
        return {
            "version": _VERSION,
            "subject": None if self.subject is None else asdict(self.subject),
            "phase": self.phase.value,
            "begun_at": self.begun_at,
            "unresolved": self.unresolved,
            "baseline": None if self.baseline is None else self.baseline.as_json(),
            "intent_at": self.intent_at,
            "decided_at": self.decided_at,
            "request_id": self.request_id,
            "account": jsonable(self.account),
            "evidence": list(self.evidence),
        }


def read_journal(value: Any, subject: Subject) -> Journal:
    """Parse what earlier tries wrote down; refuse what can't be read, or is about another sale."""
    try:
        journal = _parse(value)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise JournalUnusable(
            f"The record of an earlier try of this task can't be read ({type(error).__name__}), so it may have sold "
            f"already. Nothing was sent. Look at account {subject.account_id} in 3Commas; to liquidate it, start a new "
            "DAG run."
        ) from error
    if journal.subject is None:
        return journal
    for name, what in _SUBJECT_CHANGES.items():
        before, now = getattr(journal.subject, name), getattr(subject, name)
        if before != now:
            raise JournalUnusable(
                f"An earlier try of this task was about {what.format(before=before, now=now)}: a template, a mapped "
                "index or the connection has changed in between. Nothing was sent. Look at account "
                f"{journal.subject.account_id} in 3Commas; to liquidate {subject.account_id}, start a new DAG run."
            )
    return journal


def _parse(value: Mapping[str, Any]) -> Journal:
    if value["version"] != _VERSION:
        raise ValueError("version")
    journal = Journal(
        subject=None if value["subject"] is None else Subject(**value["subject"]),
        phase=Phase(value["phase"]),
        begun_at=value["begun_at"],
        unresolved=value["unresolved"],
        baseline=None if value["baseline"] is None else Snapshot.from_json(value["baseline"]),
        intent_at=value["intent_at"],
        decided_at=value["decided_at"],
        request_id=value["request_id"],
        account=value["account"],
        evidence=tuple(value["evidence"]),
    )
    if journal.subject is None and journal.phase is not Phase.BEGUN:
        raise ValueError("subject")
    if (journal.phase is Phase.INTENT) != (type(journal.unresolved) is int and journal.unresolved > 0):
        raise ValueError("unresolved")
    if journal.phase is Phase.ACCEPTED and not isinstance(journal.account, dict):
        raise ValueError("account")
    return journal
