"""The rule of one liquidation at a time, on the claims that are kept of an account: no I/O, no clock.

Each task instance has a claim of its own among those of an account; no claim overwrites another task's, so that
giving one up leaves behind what was there before. Nothing is forgotten by time: the rule asks how old a claim is, and
a clock that is wrong for a moment must not erase one. Only the number is bounded.

All times are milliseconds of one clock, that of the store. Clocks of several writers may differ, and one may be set
back: a claim from the future counts as made now, so that it holds longer and never shorter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, TypeAlias

import msgspec

from airflow_provider_3commas.api.errors import ConfigurationError, LiquidationRefused
from airflow_provider_3commas.budget.limits import MAX_STORED_BYTES, MAX_TIME
from airflow_provider_3commas.in_words import describe_duration

#: So many claims are kept of an account, the latest.
MAX_CLAIMS = 32
#: Characters of a task's name: Airflow allows 250 for each of its parts.
MAX_TASK_NAME = 1_000
#: Characters of ``Claimant.begun``.
MAX_BEGUN = 100
#: Clocks may differ by so much, in milliseconds; a claim from further ahead is written anew as made now, or it would
#: never grow old.
MAX_CLOCK_SKEW = 3_600_000


class Outcome(StrEnum):
    """What became of the sell-all of a claim."""

    UNDER_WAY = "under way"
    SOLD = "sold"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Claimant:
    """The task instance that wants to liquidate an account."""

    #: ``dag_id/run_id/task_id[map_index]``: the same for every try, different for all others that share the store.
    task: str
    try_number: int
    #: When its journal began, the same for every try. A DAG run that is deleted and created anew has tasks of the same
    #: names, as another deployment may have: their journals are others, and so are the claimants.
    begun: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.task, str) or not 0 < len(self.task) <= MAX_TASK_NAME or not self.task.isprintable():
            raise ConfigurationError(
                f"A task that liquidates is named by 1 to {MAX_TASK_NAME} printable characters, got {self.task!r:.100}."
            )
        if type(self.try_number) is not int or not 0 <= self.try_number < 2**31:
            raise ConfigurationError(f"A try has a whole number from 0, got {self.try_number!r:.100}.")
        if not isinstance(self.begun, str) or len(self.begun) > MAX_BEGUN or not self.begun.isprintable():
            raise ConfigurationError(f"A record began at a time, as a short text, got {self.begun!r:.100}.")


class Claim(msgspec.Struct, frozen=True):
    """What one task instance has done with an account, or is about to do; ``task`` and ``begun`` as in ``Claimant``."""

    task: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TASK_NAME)]
    try_number: Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
    #: The store's time of the claim, or when the account was known to be sold.
    at: Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME)]
    outcome: Outcome
    #: Empty in claims from before this was kept.
    begun: Annotated[str, msgspec.Meta(max_length=MAX_BEGUN)] = ""

    def __post_init__(self) -> None:
        # It may come from a store that anything may write to, and goes into messages.
        if not self.task.isprintable():
            raise ValueError("the name of a task is printable")

    @property
    def time(self) -> datetime:
        """``at`` in UTC."""
        return _time(self.at)

    def is_of(self, claimant: Claimant) -> bool:
        """Whether a try of the same task made it, with the same journal."""
        return (self.task, self.begun) == (claimant.task, claimant.begun)

    def belongs_to(self, claimant: Claimant) -> bool:
        """Whether this try or an earlier one of the same task made it."""
        return self.is_of(claimant) and self.try_number <= claimant.try_number

    def is_open_claim_of(self, claimant: Claimant) -> bool:
        """Whether it belongs to the claimant, and is not known to have ended in a sale."""
        return self.belongs_to(claimant) and self.outcome is not Outcome.SOLD


History: TypeAlias = tuple[Claim, ...]


class AccountTaken(LiquidationRefused):
    """Another task is liquidating or has sold the account, or a later try of this one is at work; nothing was sent.

    :param message: who, when, what became of it, and what to do.
    :param claim: the claim in the way.
    :param until: when it is no longer in the way of this task; ``None`` for a later try's, which always is.
    """

    def __init__(self, message: str, *, claim: Claim, until: datetime | None) -> None:
        super().__init__(message)
        self.claim = claim
        self.until = until


def blocking_claim(history: History, claimant: Claimant, not_within: float | None, now: int) -> Claim | None:
    """Return the claim that keeps a task from liquidating: a later try's, or another task's within so many seconds."""
    own = [claim for claim in history if claim.is_of(claimant) and claim.try_number > claimant.try_number]
    if own or not_within is None:
        return latest(own)
    return latest([claim for claim in history if not claim.is_of(claimant) and _age(claim, now) < not_within])


def latest(claims: History | list[Claim]) -> Claim | None:
    """Return the last claim made; of several in the same millisecond the last written."""
    return max(reversed(claims), key=lambda claim: claim.at, default=None)


def with_claim(history: History, claimant: Claimant, now: int) -> History:
    """Add a claim, in place of one that an earlier call or try left open."""
    return (*without_open_claims(history, claimant), _claim(claimant, now, Outcome.UNDER_WAY))


def without_open_claims(history: History, claimant: Claimant) -> History:
    """Remove what the claimant and its earlier tries left open; sales stay."""
    return tuple(claim for claim in history if not claim.is_open_claim_of(claimant))


def with_sale(history: History, claimant: Claimant, now: int) -> History:
    """Turn the open claim into a sale; recording a sale again does not make it later."""
    own = [claim for claim in history if claim.belongs_to(claimant)]
    if own and all(claim.outcome is Outcome.SOLD for claim in own):
        return history
    others = tuple(claim for claim in history if not claim.belongs_to(claimant))
    return (*others, _claim(claimant, now, Outcome.SOLD))


def with_unknown_outcome(history: History, claimant: Claimant, now: int) -> History:
    """Mark the open claim's outcome as unknown, and keep its time: the sell-all was sent soon after, if at all."""
    opened = [claim for claim in history if claim.is_open_claim_of(claimant)]
    at = max((claim.at for claim in opened), default=now)
    return (*without_open_claims(history, claimant), _claim(claimant, at, Outcome.UNKNOWN))


def _claim(claimant: Claimant, at: int, outcome: Outcome) -> Claim:
    return Claim(claimant.task, claimant.try_number, at, outcome, claimant.begun)


def normalized(history: History, now: int) -> History:
    """Return the claims once each, sorted by time, none from too far ahead, and not too many."""
    kept = dict.fromkeys(
        claim if claim.at <= now + MAX_CLOCK_SKEW else msgspec.structs.replace(claim, at=now) for claim in history
    )
    return tuple(sorted(kept, key=lambda claim: claim.at)[-MAX_CLAIMS:])


_decoder = msgspec.json.Decoder(History)


def decode_history(text: bytes) -> History | None:
    """Parse the claims of an account; ``None`` if that fails, because anything may write to a store."""
    if not text:
        return ()
    if len(text) > MAX_STORED_BYTES:
        return None
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def encode_history(history: History) -> bytes:
    """Return the claims as JSON."""
    return msgspec.json.encode(history)


def account_taken(
    account_id: int, claim: Claim, claimant: Claimant, not_within: float | None, now: int
) -> AccountTaken:
    """Build the error that says who is in the way, until when, and what to do."""
    ago = describe_duration(_age(claim, now))
    happened = f"{_describe_outcome(claim)} {ago} ago (at {claim.time.isoformat(timespec='seconds')})"
    if claim.is_of(claimant) or not_within is None:
        return AccountTaken(
            f"Nothing was sent for account {account_id}: a later try of this task (try {claim.try_number}; this is try "
            f"{claimant.try_number}) is at work: it {happened}. This process has been replaced and must not sell; see "
            "the later try's log.",
            claim=claim,
            until=None,
        )
    until = _time(min(claim.at + round(min(not_within, MAX_TIME) * 1000), MAX_TIME) // 1000 * 1000 + 1000)
    # Who deletes a DAG run that has sold deletes its record, and the scheduler may make the run anew at once.
    namesake = "this task, in a DAG run of the same id that was deleted or is another deployment's,"
    who = namesake if claim.task == claimant.task else "another task"
    return AccountTaken(
        f"Nothing was sent for account {account_id}: {who} ({claim.task}, try {claim.try_number}) {happened}. So "
        f"this task may not sell it before {until.isoformat(timespec='seconds')}. If it should be sold again all "
        f"the same, lift this with a shorter not_within on the operator (now {not_within:g} s), or not_within=None.",
        claim=claim,
        until=until,
    )


def _describe_outcome(claim: Claim) -> str:
    if claim.outcome is Outcome.SOLD:
        return "sold it"
    if claim.outcome is Outcome.UNKNOWN:
        return "sent a sell of it, whose outcome is unknown,"
    return "began to liquidate it, and has not said what became of it,"


def _age(claim: Claim, now: int) -> float:
    return max(0, now - claim.at) / 1000


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
