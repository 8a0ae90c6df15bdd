"""3Commas' view of an account: a copy of the exchange's balances that lags behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.account_specs import Position
    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
    from airflow_provider_3commas.simulator.scenarios import ViewSpec

# After a long jump of the clock only the last refreshes matter.
_MOST_REFRESHES = 3


class Seen(NamedTuple):
    """What 3Commas shows: the rows of the table, and what the account's own value is computed from."""

    rows: dict[str, Position]
    total: dict[str, Position]


class BalanceView:
    """A copy of an account's balances, refreshed on request or by itself, wrong for a while after a sell."""

    def __init__(self, account: ExchangeAccount, spec: ViewSpec, now: float) -> None:
        self._account = account
        self._spec = spec
        self._copy = account.positions(now)
        self._refreshed_at = now
        self._refresh_began: float | None = None
        self._glitches = 0

    def sold(self) -> None:
        """Make the next refreshes glitch, as they do after a sell."""
        self._glitches = self._spec.glitches

    def refresh(self, now: float) -> None:
        """Start a refresh, unless one is under way."""
        self._catch_up(now)
        if self._refresh_began is None:
            self._refresh_began = now

    def read(self, now: float) -> Seen:
        """Return what 3Commas shows now."""
        if self._spec.live:
            positions = self._account.positions(now)
            return Seen(positions, positions)
        self._catch_up(now)
        if self._refresh_began is not None and self._glitches:
            since = now - self._refresh_began - self._spec.lag_seconds
            if 0 <= since < self._spec.empty_seconds:
                return Seen({}, self._copy)
            if since >= self._spec.empty_seconds:
                positions = self._account.positions(now)
                return Seen(dict(list(positions.items())[::2]), positions)
        return Seen(self._copy, self._copy)

    def _catch_up(self, now: float) -> None:
        """Finish the refreshes that were due by now, those that 3Commas starts by itself included."""
        while True:
            if self._refresh_began is None and not self._start_own(now):
                return
            began = self._refresh_began or 0.0
            lands_at = began + self._duration()
            if lands_at > now:
                return
            self._copy = self._account.positions(lands_at)
            self._refreshed_at = lands_at
            self._refresh_began = None
            self._glitches = max(0, self._glitches - 1)

    def _start_own(self, now: float) -> bool:
        every = self._spec.auto_refresh_seconds
        if not every or now - self._refreshed_at < every:
            return False
        self._refresh_began = max(self._refreshed_at + every, now - _MOST_REFRESHES * every)
        return True

    def _duration(self) -> float:
        glitch = self._spec.empty_seconds + self._spec.partial_seconds if self._glitches else 0
        return self._spec.lag_seconds + glitch
