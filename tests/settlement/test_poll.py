"""A poll sends the cheapest request first, none twice, and none whose answer can't matter."""

from __future__ import annotations

import pytest

from airflow_provider_3commas.api.errors import OutcomeUnknown
from airflow_provider_3commas.budget import Reason, Reservation, WaitForBudget
from airflow_provider_3commas.settlement.poll import Poll

ACCOUNT = 32402783
ANSWERS = {"load_balances": {"id": ACCOUNT, "btc_amount": "1"}, "get_balances": [], "get_active_entities": {"x": 0}}


class Client:
    """Answer, unless an error is in the way, and keep what was asked."""

    def __init__(self, **answers) -> None:
        self.answers = {**ANSWERS, **answers}
        self.errors: dict[str, list[Exception]] = {}
        self.asked: list[str] = []

    def __getattr__(self, name: str):
        def answer(account_id: int):
            assert account_id == ACCOUNT
            if self.errors.get(name):
                raise self.errors[name].pop(0)
            self.asked.append(name)
            return self.answers[name]

        return answer


def test_asks_for_the_entities_only_if_they_matter():
    client = Client()
    assert Poll(ACCOUNT, lambda _: False).run(client).entities is None
    assert client.asked == ["load_balances", "get_balances"]
    poll = Poll(ACCOUNT, lambda _: True)
    assert poll.run(client).entities == {"x": 0}
    assert client.asked[2:] == ["load_balances", "get_balances", "get_active_entities"]
    assert poll.requests == 3


def test_asks_nothing_more_of_a_locked_account():
    client = Client(load_balances={"id": ACCOUNT, "is_locked": True})
    assert Poll(ACCOUNT, lambda _: True).run(client).rows is None
    assert client.asked == ["load_balances"]


@pytest.mark.parametrize("name", list(ANSWERS))
def test_goes_on_where_it_was_interrupted(name):
    client = Client()
    wait = WaitForBudget(Reservation(wait=1.0, reason=Reason.BUDGET, ticket=None))
    client.errors = {name: [wait, OutcomeUnknown("502")]}
    poll = Poll(ACCOUNT, lambda _: True)
    with pytest.raises(WaitForBudget):
        poll.run(client)
    assert poll.started is (name != "load_balances")
    with pytest.raises(OutcomeUnknown):
        poll.run(client)
    assert poll.run(client).entities == {"x": 0}
    assert client.asked == list(ANSWERS)
    # The one that failed was sent too, the one that had to wait was not.
    assert poll.requests == 4
