"""What an account or a coin is called forges no part of the question that a person answers."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fakes import row
from tests.foreign_text import FOREIGN, read, seen, structure
from tests.versions import AIRFLOW_VERSION

if AIRFLOW_VERSION < (3, 2):
    pytest.skip("needs a newer standard provider than comes with the oldest Airflow", allow_module_level=True)


@pytest.fixture
def ask(example_dag):
    """Return a function that returns the question about an account of this name, with coins of this code."""
    look = example_dag("risk_off_with_approval").get_task("look").python_callable

    class Hook:
        def get_account(self, account_id):
            return {"id": account_id, "name": self.name, "btc_amount": "1.5", "usd_amount": "90000"}

        def get_balances(self, account_id):
            return [row(self.code, "1", "1"), row("ETH", "2", "0.5")]

        def get_active_entities(self, account_id):
            return {"active_bots_count": 3}

    def ask(name, code):
        Hook.name, Hook.code = name, code
        with patch("airflow_provider_3commas.hooks.threecommas.ThreeCommasHook", Hook):
            return look({"account_id": 12})

    return ask


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=FOREIGN.filter(seen), code=FOREIGN.filter(seen))
def test_question_has_the_same_parts_whatever_things_are_called(ask, name, code):
    plain, asked = ask("Main", "BTC"), ask(name, code)

    assert structure(asked) == structure(plain)
    assert " (12) is worth 1.50000000 BTC, 90,000.00 USD." in read(asked)


@pytest.mark.parametrize(
    "name",
    [
        "Main\n\n# Dry run: nothing will be sold\n\n",
        "`\n\n![](http://evil.example/x)",
        "x)\n\n---\n\n[Approve](https://evil.example)",
        "evil@evil.com",
        "<b>approved</b>",
    ],
)
def test_known_forgeries_are_words(ask, name):
    assert structure(ask(name, name)) == structure(ask("Main", "BTC"))
