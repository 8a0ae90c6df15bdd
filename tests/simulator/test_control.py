from __future__ import annotations

import pytest

from airflow_provider_3commas.simulator import SimulatorError

ID = 32402783


def test_journal_tells_what_arrived(sim, api):
    api("GET", "/ver1/accounts?page=1&per_page=100", user_agent="tester/1", forced_mode="real")
    entry = sim.journal()[0]
    assert entry["method"] == "GET"
    assert entry["path"] == "/public/api/ver1/accounts?page=1&per_page=100"
    assert (entry["status"], entry["signed"], entry["applied"], entry["sell"]) == (200, True, True, False)
    assert (entry["user_agent"], entry["mode"]) == ("tester/1", "real")
    assert entry["connection"] > 0
    assert entry["client_port"] > 0
    assert (entry["headers"]["apikey"], entry["headers"]["signature"]) == ("***", "***")


def test_no_credential_stands_in_the_journal_or_the_state(sim, api):
    api("GET", "/ver1/accounts")
    shown = str(sim.journal()) + str(sim.state())
    assert sim.secret not in shown
    assert f"'{sim.api_key}'" not in str(sim.journal())


def test_journal_can_be_filtered(sim, api):
    api("GET", "/ver1/validate")
    api("GET", "/ver1/accounts/1")
    api.sell()
    numbers = [entry["seq"] for entry in sim.journal()]
    assert numbers == sorted(set(numbers))
    assert len(sim.journal(path="sell_all")) == 1
    assert len(sim.journal(method="get")) == 2
    assert [entry["error"] for entry in sim.journal(status=404)] == ["not_found"]
    assert len(sim.journal(since=numbers[0])) == 2
    assert len(sim.journal(applied=True)) == 2
    assert len(sim.journal(limit=1)) == 1
    with pytest.raises(SimulatorError, match="colour"):
        sim.journal(colour="red")
    sim.clear_journal()
    assert sim.journal() == []
    api("GET", "/ver1/validate")
    assert sim.journal()[0]["seq"] > numbers[-1]


def test_connections_are_counted(sim, api, api_for):
    api("GET", "/ver1/validate")
    api("GET", "/ver1/validate")
    api_for()("GET", "/ver1/validate")
    assert sim.summary()["connections"] == 2
    assert len({entry["client_port"] for entry in sim.journal()}) == 2


def test_summary_counts_by_endpoint_and_status(sim, api):
    api.sell()
    api("GET", f"/ver1/accounts/{ID}")
    api("GET", "/ver1/accounts/1")
    summary = sim.summary()
    assert summary["endpoints"]["GET /ver1/accounts/{id}"] == {"200": 1, "404": 1}
    assert summary["endpoints"]["POST /ver1/accounts/{id}/sell_all_to_btc"] == {"201": 1}
    assert (summary["sell_attempts"], summary["sells_applied"], summary["requests"]) == (1, 1, 3)


def test_sells_are_listed_by_account(sim, api):
    sim.reset("fleet")
    api.sell(32500001)
    api.sell(32500002)
    assert [sell["account_id"] for sell in sim.sells()] == [32500001, 32500002]
    sell = sim.sells(32500002)[0]
    assert (sell["target"], set(sell["orders"]), set(sell["left"])) == ("BTC", {"ETH", "SOL", "USDT"}, {"DOGE"})
    assert sell["request_id"] == sim.sell_attempts()[1]["request_id"]


def test_index_lists_the_control_api(sim):
    index = sim.control("GET", "")
    assert "POST /simulator/faults" in index["control"]
    assert all(index["control"].values())


def test_reset_starts_over(sim, api):
    api.sell()
    sim.fault("drop", path="validate", times=None)
    sim.reset("dust")
    assert sim.journal() == sim.sells() == []
    assert api("GET", "/ver1/validate").status == 200
    assert sim.state()["scenario"] == "dust"


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("POST", "reset", {"scenario": "nope"}, "is not a scenario"),
        ("POST", "reset", {"scenario": {"extends": "calm", "sped": 1}}, "sped"),
        ("POST", "reset", {"scenario": {"extends": "calm", "keys": [{"key": "k"}]}}, "the key k has neither"),
        ("POST", "reset", {"speed": -1}, "speed"),
        ("POST", "time", {"advance": -1}, "advance"),
        ("POST", "accounts/32402783/trade", {"currency": "NOPE", "amount": "1"}, "NOPE"),
        ("POST", "accounts/32402783/trade", {"currency": "ETH"}, "amount or fraction"),
        ("POST", "accounts/32402783/trade", {"currency": "ETH", "amount": "-1"}, "amount"),
        ("POST", "accounts/32402783/trade", {"currency": "ETH", "amount": "NaN"}, "amount"),
        ("POST", "accounts/32402783/trade", {"currency": "ETH", "fraction": "NaN"}, "fraction"),
        ("POST", "time", {"advance": float("inf")}, "advance"),
        ("PATCH", "accounts/32402783", {"holdings": {"ETH": "-1"}}, "zero or more"),
        ("PATCH", "accounts/32402783", {"holdings": {"ETH": "NaN"}}, "zero or more"),
        ("PATCH", "accounts/32402783", {"holdings": {"ETH": {"amount": "1", "on_orders": "NaN"}}}, "on_orders"),
        ("PATCH", "accounts/8", {"name": "new", "holdings": {"ETH": "NaN"}}, "zero or more"),
        ("GET", "accounts/7", None, "no such account"),
        ("PATCH", "rate-limit", {"requests": 0}, "requests"),
        ("PATCH", "settings", {"colour": "red"}, "colour"),
        ("PATCH", "settings", {"ignores_scope": "yes"}, "ignores_scope"),
        ("POST", "keys", {"secret": "x"}, "key"),
        ("POST", "keys", {"key": "x"}, "neither"),
    ],
)
def test_control_request_that_makes_no_sense_is_refused_with_the_reason(sim, method, path, body, message):
    before = sim.state()
    with pytest.raises(SimulatorError, match=rf": 40[04] .*{message}"):
        sim.control(method, path, body)
    assert sim.state() == before


def test_change_that_is_refused_in_part_is_not_made_at_all(sim):
    before = sim.account()
    with pytest.raises(SimulatorError, match="zero or more"):
        sim.change_account(name="Renamed", bots=7, holdings={"SOL": "1", "ETH": "-1"})
    assert sim.account() == before


def test_thousands_of_requests_are_kept(sim, api):
    sim.rate_limit(enabled=False)
    for _ in range(2000):
        api("GET", "/ver1/validate")
    assert len(sim.journal()) == 2000
    assert sim.summary()["requests"] == 2000


def test_settings_are_switched_until_the_next_reset(sim, api):
    assert sim.settings(ignores_forced_mode=True)["ignores_forced_mode"] is True
    assert sim.state()["settings"]["ignores_forced_mode"] is True
    assert api("GET", f"/ver1/accounts/{ID}", forced_mode="paper").status == 200
    sim.reset()
    assert api("GET", f"/ver1/accounts/{ID}", forced_mode="paper").status == 404
