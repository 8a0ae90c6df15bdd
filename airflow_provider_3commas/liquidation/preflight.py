"""Before the sale: read the account, with retries, refuse what can't be sold, and log what will be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_3commas.api import clock
from airflow_provider_3commas.api.errors import (
    PASSING_ERRORS,
    PreflightFailed,
    RateLimitExceeded,
    ThreeCommasError,
)
from airflow_provider_3commas.holdings import may_be_rebalanced, unknown_key_state
from airflow_provider_3commas.in_words import describe_counts
from airflow_provider_3commas.liquidation.guards import check_account, refuse_if_too_late
from airflow_provider_3commas.liquidation.snapshot import Snapshot, by_value
from airflow_provider_3commas.money import plain, rounded
from airflow_provider_3commas.parameters import BEST_EFFORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.liquidation.sale import Environment, Sale

#: For how long a read that fails is retried, in seconds; with ``best_effort`` the sell-all is then sent without it.
RETRY_READS_FOR = 300.0
RETRY_BEST_EFFORT_READS_FOR = 60.0
#: Longest pause between two tries of a read, in seconds.
MAX_BACKOFF = 30.0

#: Said of an account that 3Commas may rebalance.
AUTOBALANCE = (
    "3Commas may buy again on account %s after the sale: autobalance is on. Turn it off in 3Commas, or look at the "
    "account for longer with the sensor's stable_for."
)

T = TypeVar("T")


class Preflight:
    """Reads the account before it is sold."""

    def __init__(self, sale: Sale, environment: Environment, seconds_left: Callable[[], float]) -> None:
        self._sale = sale
        self._client = environment.client
        self._log = environment.log
        self._seconds_left = seconds_left
        #: When the first of the last reads began: the baseline is as old as its oldest part.
        self.read_at = clock.instant()

    def baseline(self) -> Snapshot | None:
        """Return the account as it is, or ``None`` where it is to be sold without having been read."""
        # In mode paper the Account is what proves that no real money is sold: nothing replaces it.
        paper = self._client.mode == "paper"
        if self._sale.preflight is False:
            if paper:
                self._read_account(RETRY_READS_FOR)
            return None
        if self._sale.preflight != BEST_EFFORT:
            return self._read_snapshot(RETRY_READS_FOR)
        try:
            return self._read_snapshot(RETRY_READS_FOR if paper else RETRY_BEST_EFFORT_READS_FOR)
        except PreflightFailed as error:
            if paper:
                raise
            self._log.warning("%s Selling without a baseline, as preflight='best_effort' says.", error)
            return None

    def _read_snapshot(self, retry_for: float) -> Snapshot:
        account_id = self._sale.account_id
        self.read_at, taken_at = clock.instant(), clock.now()
        account = self._read_account(retry_for)
        rows = self._retry(lambda: self._client.get_balances(account_id), retry_for)
        entities = self._retry(lambda: self._client.get_active_entities(account_id), retry_for)
        baseline = Snapshot.of(account, rows, entities, taken_at)
        self._log_plan(baseline)
        return baseline

    def _read_account(self, retry_for: float) -> dict[str, Any]:
        account = self._retry(lambda: self._client.get_account(self._sale.account_id), retry_for)
        check_account(account, self._sale.account_name, self._client.mode)
        state = unknown_key_state(account)
        if state:
            self._log.warning(
                "The state of the exchange's API keys is %r, of which nothing is known: going on, 3Commas will refuse "
                "if they are of no use.",
                state,
            )
        if may_be_rebalanced(account):
            self._log.warning(AUTOBALANCE, self._sale.account_id)
        return account

    def _retry(self, read: Callable[[], T], retry_for: float) -> T:
        """Repeat a read until it is answered: a liquidation should not be lost to a bad minute."""
        deadline, backoff = clock.monotonic() + retry_for, 1.0
        problem: ThreeCommasError
        while True:
            try:
                return read()
            except RateLimitExceeded as error:
                # The budget makes the next request wait for as long as the server said.
                refuse_if_too_late(error, self._seconds_left())
                deadline, problem = clock.monotonic() + retry_for, error
            except PASSING_ERRORS as error:
                problem = error
            if clock.monotonic() + backoff > deadline or self._seconds_left() < backoff:
                raise PreflightFailed(
                    "Nothing was sent: the account could not be read before the sale, although that was tried for up "
                    f"to {retry_for:.0f} s. The last time: {problem}"
                ) from problem
            self._log.warning("%s Trying again in %.0f s.", problem, backoff)
            clock.sleep(backoff)
            backoff = min(backoff * 2, MAX_BACKOFF)

    def _log_plan(self, baseline: Snapshot) -> None:
        """Log what the sale will do before it is done."""
        self._log.warning(
            "%s account %s (%r on %s, %s mode) to %s: worth %s BTC, %s USD. This stops %s, and can't be undone.",
            "DRY RUN: would sell" if self._sale.dry_run else "Selling",
            baseline.account_id,
            baseline.account_name,
            baseline.exchange_name,
            self._client.mode,
            self._sale.target,
            rounded(baseline.btc_value, 8),
            rounded(baseline.usd_value, 2),
            describe_counts(baseline.running()) or "no bot or deal",
        )
        for held in by_value(baseline.holdings):
            self._log.info(
                "  %s %s, %s of it in orders, worth %s BTC (%s USD)",
                plain(held.amount),
                held.currency,
                plain(held.on_orders),
                rounded(held.btc_value, 8),
                rounded(held.usd_value, 2),
            )
        if not baseline.complete:
            self._log.warning(
                "The view of the account is incomplete (%s): if the answer to the sell is lost, what became of it "
                "can't be found out.",
                "; ".join(baseline.gaps),
            )
