from __future__ import annotations

import json

import pytest

from airflow_provider_3commas.simulator import scenarios
from airflow_provider_3commas.simulator.scenarios import ScenarioError, load


def test_the_promised_names_are_there():
    assert {
        "calm",
        "slow",
        "dust",
        "unsellable",
        "stale-view",
        "unsupported",
        "locked",
        "keys-expired",
        "fleet",
        "mode-ignored",
        "busy",
        "signal-bot",
        "autobalance",
        "earning-codes",
        "no-subscription",
        "flaky",
    } <= set(scenarios.names())


@pytest.mark.parametrize("name", scenarios.names())
def test_each_named_scenario_is_sound(name):
    scenario = load(name)
    assert scenario.name == name
    assert scenario.description


def test_file_may_extend_a_scenario(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"extends": "slow", "name": "mine", "rate_limit": {"requests": 5}}))
    mine = load(str(file))
    assert (mine.name, mine.rate_limit.requests, mine.rate_limit.pause_seconds) == ("mine", 5, 300)
    assert mine.fills == load("slow").fills


ACCOUNT = {"id": 1, "name": "x"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sped": 1}, "unknown field `sped`"),
        ({"rate_limit": {"window": "rolling"}}, r"'rolling' - at `\$.rate_limit.window`"),
        ({"rate_limit": {"requests": "many"}}, r"Expected `int`, got `str` - at `\$.rate_limit.requests`"),
        ({"fills": {"first_seconds": 9}}, "last_seconds is before first_seconds"),
        ({"fills": {"fraction": "1.5"}}, "fraction is not between 0 and 1"),
        ({"prices": {"usd": {"ETH": "-1"}}}, "price of ETH is not a positive number"),
        ({"prices": {"jitter": "7"}}, "jitter"),
        ({"fills": {"fraction": "NaN"}}, "fraction is not between 0 and 1"),
        ({"fills": {"fee": "NaN"}}, "fee is not between 0 and 1"),
        ({"fills": {"min_order_btc": "NaN"}}, "min_order_btc is not a number of zero or more"),
        ({"prices": {"jitter": "NaN"}}, "jitter is not between 0 and 1"),
        ({"accounts": [{"name": "x"}]}, r"missing required field `id` - at `\$.accounts\[0\]`"),
        ({"accounts": [{**ACCOUNT, "holdings": {"NOPE": "1"}}]}, "account 1 holds NOPE, which has no price"),
        ({"accounts": [{**ACCOUNT, "holdings": {"ETH": "much"}}]}, "Invalid decimal string"),
        ({"accounts": [{**ACCOUNT, "holdings": {"ETH": "NaN"}}]}, "account 1 holds ETH, but amount is not"),
        ({"accounts": [{**ACCOUNT, "holdings": {"ETH": "-1"}}]}, "account 1 holds ETH, but amount is not"),
        (
            {"accounts": [{**ACCOUNT, "holdings": {"ETH": {"amount": "1", "on_orders": "2"}}}]},
            "on_orders is not between",
        ),
        (
            {"accounts": [{**ACCOUNT, "holdings": {"ETH": {"amount": "1", "on_orders": "NaN"}}}]},
            "on_orders is not between",
        ),
        (
            {"fleet": {"count": 1, "first_id": 7, "market_codes": ["okex"], "holdings": {"ETH": "Infinity"}}},
            r"amount is not a number of zero or more - at `\$.fleet`",
        ),
        ({"accounts": [ACCOUNT, ACCOUNT]}, "two accounts have the id 1"),
        ({"accounts": [{**ACCOUNT, "signal": {"currency": "NOPE"}}]}, "signal of account 1: no price for NOPE"),
        ({"accounts": [{**ACCOUNT, "forbidden": ["all"]}]}, "all"),
        ({"rate_limit": {"endpoints": [{"calls": ["GET /ver1/deals"]}]}}, "missing required field `requests`"),
        ({"extends": 7}, "expected a name or a file"),
    ],
)
def test_bad_scenario_is_refused_with_the_place_and_the_reason(change, message):
    with pytest.raises(ScenarioError, match=message):
        load({"extends": "calm", **change})


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not a JSON document"), ("[]", "expected a JSON object"), (None, "nor a file")]
)
def test_bad_file_is_refused_with_the_reason(tmp_path, text, message):
    file = tmp_path / "mine.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ScenarioError, match=message):
        load(str(file))


def test_circle_is_refused(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"extends": str(file)}))
    with pytest.raises(ScenarioError, match="circle"):
        load(str(file))
