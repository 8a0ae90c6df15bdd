"""The claims on accounts, as a process sees them: who is liquidating one, and when it was last sold.

Kept in the store that counts the requests, one text for each account of an API key at one address, so that tasks, runs,
DAGs and machines see one another.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar

from airflow_provider_3commas.budget import claim_rules as rules
from airflow_provider_3commas.budget.store import RETRY_STORE_AFTER, Reach, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.budget.claim_rules import Claim, Claimant, History
    from airflow_provider_3commas.budget.store import Swap

T = TypeVar("T")
Change: TypeAlias = "Callable[[History, int], tuple[T, History]]"

_logger = logging.getLogger(__name__)


class _Budget(Protocol):
    """What is asked of the request budget, whose store keeps the claims."""

    identity: str

    @property
    def reach(self) -> Reach: ...

    def swap(self, name: str, change: Swap[T]) -> tuple[T, int]: ...

    def now(self) -> int: ...


class Claims:
    """The lock on accounts: one task at a time may liquidate one, among all that use the budget's store.

    If the store can't be reached, one warning says that other tasks can't be seen, and the claims of this process
    still exclude one another: the caller's other guards hold, and a sell-all is not held up. Can be shared by threads,
    and survives a fork.
    """

    def __init__(self, budget: _Budget) -> None:
        self._budget = budget
        self._store_error: str | None = None
        self._retry_claim_at = 0.0
        self._unreadable: set[int] = set()

    @property
    def reach(self) -> Reach:
        """Among whom a claim holds: all machines, this machine, or only this process."""
        return self._budget.reach if self._store_error is None else Reach.PROCESS

    @property
    def shared_between_machines(self) -> bool:
        """Whether tasks on other machines see the claims, too."""
        return self.reach is Reach.MACHINES

    def check(self, account_id: int, claimant: Claimant, not_within: float | None) -> None:
        """Raise ``AccountTaken`` if the account could not be claimed; claim nothing.

        ``not_within`` is the seconds in which no other task may have liquidated it; ``None`` allows any.
        """
        self._change_unless_taken(account_id, claimant, not_within, lambda claims, _now: claims)

    def claim(self, account_id: int, claimant: Claimant, not_within: float | None) -> None:
        """Check and claim an account atomically, right before the sell-all is sent; see ``check``.

        The same claimant may call it again.
        """
        # A caller that repeats this at once because the store took too long must not wait for it a second time.
        without_store = time.monotonic() < self._retry_claim_at
        self._change_unless_taken(
            account_id,
            claimant,
            not_within,
            lambda claims, now: rules.with_claim(claims, claimant, now),
            without_store=without_store,
        )
        self._retry_claim_at = 0.0 if self._store_error is None else time.monotonic() + RETRY_STORE_AFTER

    def sold(self, account_id: int, claimant: Claimant) -> None:
        """Record that the claimant's sell-all was accepted or is proven to have been carried out."""
        self._apply(account_id, lambda claims, now: (None, rules.with_sale(claims, claimant, now)))

    def unknown(self, account_id: int, claimant: Claimant) -> None:
        """Record that the outcome of the claimant's sell-all is unknown: the claim stays."""
        self._apply(account_id, lambda claims, now: (None, rules.with_unknown_outcome(claims, claimant, now)))

    def release(self, account_id: int, claimant: Claimant) -> None:
        """Give up the claim of a sell-all that was not sent, refused for certain or proven to have had no effect.

        What this task or another one has sold before stays.
        """
        self._apply(account_id, lambda claims, _now: (None, rules.without_open_claims(claims, claimant)))
        if self._store_error is not None:
            _logger.warning(
                "The claim on account %s may still stand in the store: then other tasks are refused until their "
                "not_within is over.",
                account_id,
            )

    def holder(self, account_id: int) -> Claim | None:
        """Return the latest claim on an account, however old."""
        claim, _ = self._apply(account_id, lambda claims, _now: (rules.latest(claims), claims))
        return claim

    def _change_unless_taken(
        self,
        account_id: int,
        claimant: Claimant,
        not_within: float | None,
        change: Callable[[History, int], History],
        *,
        without_store: bool = False,
    ) -> None:
        def change_if_free(claims: History, now: int) -> tuple[Claim | None, History]:
            found = rules.blocking_claim(claims, claimant, not_within, now)
            return found, claims if found else change(claims, now)

        found, now = self._apply(account_id, change_if_free, without_store=without_store)
        if found is not None:
            raise rules.account_taken(account_id, found, claimant, not_within, now)

    def _apply(self, account_id: int, change: Change[T], *, without_store: bool = False) -> tuple[T, int]:
        """Apply a change in the store, or in this process if that can't be."""
        key = f"{self._budget.identity}:{account_id}"
        if without_store:
            return _process_claims.change(key, change, self._budget.now())
        known = _process_claims.get(key)

        def swap(old: bytes, now: int) -> tuple[tuple[T, History, bool], bytes]:
            stored = rules.decode_history(old)
            history = stored or ()
            result, changed = change(rules.normalized(history + (known.history if known.unshared else ()), now), now)
            changed = rules.normalized(changed, now)
            new = old if changed == history else rules.encode_history(changed)
            return (result, changed, stored is not None), new

        try:
            (result, history, readable), now = self._budget.swap(str(account_id), swap)
        except StoreUnavailable as error:
            self._warn_unavailable(account_id, str(error))
            return _process_claims.change(key, change, self._budget.now())
        self._reconnected()
        if not readable:
            self._warn_unreadable(account_id)
        _process_claims.replace(key, history, known)
        return result, now

    def _warn_unavailable(self, account_id: int, error: str) -> None:
        if self._store_error is None:
            _logger.warning(
                "Whether another task is liquidating account %s can't be seen at the moment: %s Until the store can be "
                "used again, only tasks of this process exclude one another; see to it that no other one sells it.",
                account_id,
                error,
            )
        self._store_error = error

    def _reconnected(self) -> None:
        if self._store_error is not None:
            _logger.warning("Other tasks that liquidate can be seen again.")
        self._store_error = None

    def _warn_unreadable(self, account_id: int) -> None:
        if account_id not in self._unreadable:
            self._unreadable.add(account_id)
            _logger.warning(
                "What the store holds about liquidations of account %s can't be read and counts as nothing: an earlier "
                "sale by another task may go unseen. Check who else writes to the store.",
                account_id,
            )


class _KnownClaims(NamedTuple):
    """The claims on an account that this process has seen."""

    history: History = ()
    #: Whether some of it could not be written to the store.
    unshared: bool = False


class _ProcessClaims:
    """The claims that this process has seen, for when the store can't be reached."""

    def __init__(self) -> None:
        self._accounts: dict[str, _KnownClaims] = {}
        self.lock = threading.Lock()

    def get(self, key: str) -> _KnownClaims:
        with self.lock:
            return self._accounts.setdefault(key, _KnownClaims())

    def replace(self, key: str, history: History, merged: _KnownClaims) -> None:
        """Keep what the store holds now, unless another thread has failed to write to it meanwhile."""
        with self.lock:
            if self._accounts[key] is merged or not self._accounts[key].unshared:
                self._accounts[key] = _KnownClaims(history)

    def change(self, key: str, change: Change[T], now: int) -> tuple[T, int]:
        """Apply a change without the store."""
        with self.lock:
            known = self._accounts.setdefault(key, _KnownClaims())
            result, changed = change(rules.normalized(known.history, now), now)
            self._accounts[key] = _KnownClaims(
                rules.normalized(changed, now), known.unshared or changed != known.history
            )
            return result, now


_process_claims = _ProcessClaims()


def _after_fork() -> None:
    """Replace a lock that a thread of the parent may hold for ever."""
    _process_claims.lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
