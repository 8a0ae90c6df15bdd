"""An event loop whose time passes only when everything in it sleeps."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from concurrent.futures import Executor

    import time_machine


class VirtualTimeEventLoop(asyncio.SelectorEventLoop):
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


def run_in_virtual_time(clock: time_machine.Coordinates, main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in virtual time, and leave nothing behind."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeEventLoop(clock)) as runner:
        return runner.run(main)


def gaps(times: list[float]) -> Iterator[float]:
    """Return the seconds between times that follow each other."""
    return (after - before for before, after in itertools.pairwise(times))
