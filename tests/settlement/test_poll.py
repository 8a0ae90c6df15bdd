"""A poll sends the cheapest request first, none twice, and none whose answer can't matter."""

from __future__ import annotations

import math

import pytest

from airflow_provider_3commas.api.errors import OutcomeUnknown
from airflow_provider_3commas.budget import WaitForBudget
from airflow_provider_3commas.settlement.poll import Poll
from tests.fakes import ACCOUNT, UNSOLD, ScriptedClient, View, no_budget

ALWAYS = -math.inf
REQUESTS = ["load_balances", "get_balances", "get_active_entities"]


def sent(client: ScriptedClient) -> list[str]:
    return [name for _, name, _ in client.requests]


def test_asks_for_the_entities_only_if_they_matter():
    client = ScriptedClient((ALWAYS, UNSOLD))
    assert Poll(ACCOUNT, lambda _: False).run(client).entities is None
    assert sent(client) == ["load_balances", "get_balances"]
    poll = Poll(ACCOUNT, lambda _: True)
    assert poll.run(client).entities == {"active_bots_count": 0}
    assert sent(client)[2:] == REQUESTS
    assert poll.requests == 3
    assert {account_id for _, _, account_id in client.requests} == {ACCOUNT}


def test_asks_nothing_more_of_a_locked_account():
    client = ScriptedClient((ALWAYS, View([], account={"is_locked": True})))
    assert Poll(ACCOUNT, lambda _: True).run(client).rows is None
    assert sent(client) == ["load_balances"]


@pytest.mark.parametrize("name", REQUESTS)
def test_goes_on_where_it_was_interrupted(name):
    client = ScriptedClient((ALWAYS, UNSOLD))
    client.refusals[name] = [no_budget(1), OutcomeUnknown("502")]
    poll = Poll(ACCOUNT, lambda _: True)
    with pytest.raises(WaitForBudget):
        poll.run(client)
    assert poll.started is (name != "load_balances")
    with pytest.raises(OutcomeUnknown):
        poll.run(client)
    assert poll.run(client).entities == {"active_bots_count": 0}
    assert sent(client) == REQUESTS
    # The one that failed was sent too, the one that had to wait was not.
    assert poll.requests == 4
