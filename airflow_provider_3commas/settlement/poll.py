"""One poll of an account: up to three requests, which can be interrupted and gone on with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_3commas.budget import WaitForBudget
from airflow_provider_3commas.holdings import account_problem
from airflow_provider_3commas.settlement.assessment import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.api.client import ThreeCommasClient

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Poll:
    """Read an account, the cheapest request first and none whose answer can't matter. Resumable: answers are kept."""

    account_id: int
    #: Whether a reading without the active entities leaves the decision open.
    needs_entities: Callable[[Reading], bool]
    #: How many requests have been sent so far, those that failed among them.
    requests: int = field(default=0, init=False)
    _reading: Reading | None = field(default=None, init=False)

    @property
    def started(self) -> bool:
        """Whether an answer has come that would be lost with this poll."""
        return self._reading is not None

    def run(self, client: ThreeCommasClient) -> Reading:
        """Send the requests that are still to be sent; after an exception this may be called again."""
        if self._reading is None:
            self._reading = Reading(self._send(client.load_balances))
        reading = self._reading
        if reading.rows is None:
            if account_problem(reading.account):
                return reading
            reading.rows = self._send(client.get_balances)
        if reading.entities is None and self.needs_entities(reading):
            reading.entities = self._send(client.get_active_entities)
        return reading

    def _send(self, request: Callable[[int], T]) -> T:
        """Send and count; what has to wait for the budget was not sent."""
        self.requests += 1
        try:
            return request(self.account_id)
        except WaitForBudget:
            self.requests -= 1
            raise
