"""An exchange account that follows a script, and an event loop whose time passes only when everybody sleeps."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.api.balance_rows import BalanceRow

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from concurrent.futures import Executor

    import time_machine

START = 1_790_000_000.0
ACCOUNT = 32402783


class VirtualLoop(asyncio.SelectorEventLoop):
    """Jump to the next timer when nothing is ready; requests "in threads" are answered at once."""

    def __init__(self, clock: time_machine.Coordinates) -> None:
        super().__init__()
        self._clock = clock

    def time(self) -> float:
        return time.time()

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> Any:
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(self._scheduled)._scheduled = False
        if not self._ready and self._scheduled:
            # The clock counts in microseconds: a little more, or the timer would never be due.
            self._clock.shift(max(self._scheduled[0]._when - time.time(), 0) + 2e-6)
        super()._run_once()


def drive(clock: time_machine.Coordinates, main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in virtual time, and leave nothing behind."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(main)


def row(currency: str, position: str, btc_value: str | None = None, on_orders: str = "0") -> BalanceRow:
    value = position if btc_value is None else btc_value
    return BalanceRow(
        currency_code=currency, position=Decimal(position), btc_value=Decimal(value), on_orders=Decimal(on_orders)
    )


@dataclass
class View:
    """What an account shows."""

    rows: list[BalanceRow]
    total: str | None = None
    entities: dict[str, int] = field(default_factory=lambda: {"active_bots_count": 0})
    account: dict[str, Any] = field(default_factory=dict)


UNSOLD = View([row("BTC", "1"), row("ETH", "2", "0.09")])
SETTLED = View([row("BTC", "1.09"), row("DOGE", "21.7", "0.00003")])


class Exchange:
    """Stand in for the client: answer by a script of (seconds from the start, view or error)."""

    def __init__(self, *script: tuple[float, View | Exception]) -> None:
        self.script = script
        self.requests: list[tuple[float, str, int]] = []
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    def load_balances(self, account_id: int) -> dict[str, Any]:
        view = self._answer("load_balances", account_id)
        total = view.total or str(sum((item.btc_value or Decimal(0) for item in view.rows), Decimal(0)))
        return {"id": account_id, "btc_amount": total, "usd_amount": "65000.00", **view.account}

    def get_balances(self, account_id: int) -> list[BalanceRow]:
        return self._answer("get_balances", account_id).rows

    def get_active_entities(self, account_id: int) -> dict[str, int]:
        return self._answer("get_active_entities", account_id).entities

    def _answer(self, name: str, account_id: int) -> View:
        now = time.time() - START
        self.requests.append((now, name, account_id))
        answer = [item for since, item in self.script if since <= now + 1e-3][-1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def polls(self, account_id: int | None = None) -> list[float]:
        """Return when the account was polled: seconds from the start."""
        return [at for at, name, who in self.requests if name == "load_balances" and account_id in (None, who)]

    def counts(self) -> Counter[str]:
        return Counter(name for _, name, _ in self.requests)


def pairs(numbers: list[float]) -> Iterator[float]:
    """Return the gaps between numbers that follow each other."""
    return (after - before for before, after in itertools.pairwise(numbers))
