"""One poll of an account: up to three requests, which can be interrupted and gone on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from airflow_provider_3commas.budget import WaitForBudget
from airflow_provider_3commas.holdings import account_problem
from airflow_provider_3commas.settlement.assessment import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.api.client import ThreeCommasClient

T = TypeVar("T")


class Poll:
    """Read an account, the cheapest request first and none whose answer can't matter. Resumable: answers are kept.

    :param account_id: the account's id.
    :param needs_entities: tells whether a reading without the active entities leaves the decision open.
    """

    __slots__ = ("_account_id", "_needs_entities", "_reading", "requests")

    def __init__(self, account_id: int, needs_entities: Callable[[Reading], bool]) -> None:
        self._account_id = account_id
        self._needs_entities = needs_entities
        self._reading: Reading | None = None
        #: How many requests have been sent so far, those that failed among them.
        self.requests = 0

    @property
    def started(self) -> bool:
        """Whether an answer has come that would be lost with this poll."""
        return self._reading is not None

    def run(self, client: ThreeCommasClient) -> Reading:
        """Send the requests that are still to be sent; after an exception this may be called again.

        :param client: the client.
        :return: the reading.
        :raises ThreeCommasError: a request failed, or has to wait for the budget.
        """
        if self._reading is None:
            self._reading = Reading(self._sent(client.load_balances), None)
        reading = self._reading
        if reading.rows is None:
            if account_problem(reading.account):
                return reading
            reading.rows = self._sent(client.get_balances)
        if reading.entities is None and self._needs_entities(reading):
            reading.entities = self._sent(client.get_active_entities)
        return reading

    def _sent(self, request: Callable[[int], T]) -> T:
        """Send and count; what has to wait for the budget was not sent."""
        self.requests += 1
        try:
            return request(self._account_id)
        except WaitForBudget:
            self.requests -= 1
            raise
