"""What to ask 3Commas next, as a generator: whoever drives it does the asking, in its own way."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.settlement.assessment import Reading
from airflow_provider_3commas.settlement.decide import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Question(Enum):
    """Name what to ask 3Commas; the value is the client's method."""

    ACCOUNT = "load_balances"
    ROWS = "get_balances"
    ENTITIES = "get_active_entities"

    def ask(self, client: Any, account_id: int) -> Any:
        """Send this one request.

        :param client: a ``ThreeCommasClient``.
        :param account_id: the account's id.
        :return: the client's answer.
        :raises ThreeCommasError: the request failed.
        """
        return getattr(client, self.value)(account_id)


def look(undecided: Callable[[Reading], bool]) -> Generator[Question, Any, Reading]:
    """Ask about an account, the cheapest question first and none whose answer can't matter.

    :param undecided: tells whether a reading without the active entities leaves the decision open.
    :return: a generator that yields one question at a time, is sent its answer, and returns the reading.
    """
    account = yield Question.ACCOUNT
    if refusal(account):
        return Reading(account, None)
    reading = Reading(account, (yield Question.ROWS))
    if undecided(reading):
        reading.entities = yield Question.ENTITIES
    return reading


class Inquiry:
    """Drive a look; when interrupted, go on without asking anything twice.

    :param questions: what ``look`` returned.
    """

    __slots__ = ("_question", "_questions", "requests")

    def __init__(self, questions: Generator[Question, Any, Reading]) -> None:
        self._questions = questions
        self._question = next(questions)
        #: How many requests have been sent so far, those that failed among them.
        self.requests = 0

    def finish(self, ask: Callable[[Question], Any]) -> Reading:
        """Ask what is still to be asked.

        :param ask: sends one request and returns the answer. After an exception from it this may be called again.
        :return: the reading.
        :raises ThreeCommasError: a request failed.
        """
        while True:
            reply = self._counted(ask)
            try:
                self._question = self._questions.send(reply)
            except StopIteration as end:
                reading: Reading = end.value
                return reading

    def _counted(self, ask: Callable[[Question], Any]) -> Any:
        """Ask, and count what was sent: not what has to wait for the budget."""
        from airflow_provider_3commas.budget import WaitForBudget

        self.requests += 1
        try:
            return ask(self._question)
        except WaitForBudget:
            self.requests -= 1
            raise
