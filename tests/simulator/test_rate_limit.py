from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from airflow_provider_3commas.simulator.rate_limit import RateLimiter
from airflow_provider_3commas.simulator.scenarios import RateLimitSpec


class Clock:
    def __init__(self, now: float = 6000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def limiter_at(now: float = 6000.0, **rules):
    clock = Clock(now)
    return RateLimiter(RateLimitSpec(**rules), clock), clock


def statuses(limiter, count, key="key", address="127.0.0.1", call=""):
    verdicts = [limiter.check(key, address, call=call) for _ in range(count)]
    return [verdict.status if verdict else 200 for verdict in verdicts]


def test_documented_limit_is_the_default():
    limiter, clock = limiter_at()
    assert statuses(limiter, 101) == [200] * 100 + [429]
    clock.now += 299
    assert statuses(limiter, 1) == [429]
    clock.now += 2
    assert statuses(limiter, 1) == [200]


def test_fixed_windows_start_on_the_clocks_minute():
    limiter, clock = limiter_at(6059, requests=2, pause_seconds=0)
    assert statuses(limiter, 3) == [200, 200, 429]
    clock.now = 6060
    assert statuses(limiter, 3) == [200, 200, 429]


def test_sliding_windows_look_back():
    limiter, clock = limiter_at(6059, requests=2, pause_seconds=0, window="sliding")
    assert statuses(limiter, 3) == [200, 200, 429]
    clock.now = 6060
    assert statuses(limiter, 1) == [429]
    clock.now = 6119
    assert statuses(limiter, 2) == [200, 200]


def test_window_can_be_scaled_down():
    limiter, clock = limiter_at(6000, requests=1, window_seconds=0.5, pause_seconds=0)
    assert statuses(limiter, 2) == [200, 429]
    clock.now += 0.5
    assert statuses(limiter, 1) == [200]


def test_going_on_in_the_pause_bans_the_address_twice_as_long_each_time():
    limiter, clock = limiter_at(requests=1, ban_after=3, ban_seconds=10)
    assert statuses(limiter, 6) == [200, 429, 429, 429, 429, 418]
    assert statuses(limiter, 1, key="another") == [418]
    assert statuses(limiter, 1, address="127.0.0.2", key="third") == [200]
    clock.now += 10.5
    assert statuses(limiter, 4) == [429, 429, 429, 418]
    clock.now += 19
    assert statuses(limiter, 1) == [418]
    clock.now += 2
    assert statuses(limiter, 1) == [429]


def test_ban_never_exceeds_the_longest():
    limiter, clock = limiter_at(requests=1, ban_after=0, ban_seconds=10, ban_max_seconds=15, pause_seconds=9999)
    statuses(limiter, 2)
    for seconds in (10, 15, 15):
        assert limiter.check("key", "127.0.0.1").seconds == seconds
        clock.now += seconds + 1


def test_keys_are_counted_apart_and_addresses_on_demand():
    limiter, _ = limiter_at(requests=1)
    assert statuses(limiter, 1, key="a") + statuses(limiter, 1, key="b") == [200, 200]
    limiter, _ = limiter_at(requests=1, scope="ip")
    assert statuses(limiter, 1, key="a") + statuses(limiter, 1, key="b") == [200, 429]


@pytest.mark.parametrize("form", ["seconds", "http-date", "none"])
@pytest.mark.parametrize("body", ["json", "text"])
def test_429_over_http_in_each_known_form(sim, api, form, body):
    sim.rate_limit(requests=2, window_seconds=3600, retry_after=form, body=body)
    assert [api("GET", "/ver1/validate").status for _ in range(3)] == [200, 200, 429]
    answer = api.sell()
    assert answer.status == 429
    assert sim.sells() == []
    header = answer.headers.get("retry-after")
    if form == "seconds":
        assert 250 < int(header) <= 3600
    elif form == "http-date":
        assert parsedate_to_datetime(header) > parsedate_to_datetime(answer.headers["date"])
    else:
        assert header is None
    assert answer.headers["content-type"].startswith("text/plain" if body == "text" else "application/json")
    assert sim.state()["rate_limit"]["refused"] == {"429": 2, "418": 0}


def test_ban_over_http_ends_with_the_clock_of_the_limit(sim, api):
    sim.rate_limit(requests=1, ban_after=1, window_seconds=3600)
    assert [api("GET", "/ver1/validate").status for _ in range(4)] == [200, 429, 429, 418]
    sim.advance(121, limits=True)
    assert api("GET", "/ver1/validate").status == 429
    sim.advance(3600, limits=True)
    assert api("GET", "/ver1/validate").status == 200


def test_market_time_does_not_touch_the_limit(sim, api):
    sim.rate_limit(requests=1, window_seconds=3600)
    assert [api("GET", "/ver1/validate").status for _ in range(2)] == [200, 429]
    sim.advance(10_000)
    assert api("GET", "/ver1/validate").status == 429


def test_plan_sets_the_limit_of_its_key(sim, api):
    sim.rate_limit(window_seconds=3600)
    sim.put_key(sim.api_key, plan="starter")
    assert [api("GET", "/ver1/accounts").status for _ in range(6)] == [200] * 5 + [429]


def test_control_requests_are_neither_counted_nor_journaled(sim, api):
    sim.rate_limit(requests=1, window_seconds=3600)
    for _ in range(5):
        sim.state()
    assert api("GET", "/ver1/validate").status == 200
    assert len(sim.journal()) == 1


DEALS, DEAL, SMART_TRADES = "GET /ver1/deals", "GET /ver1/deals/{id}/show", "GET /v2/smart_trades"


class TestCallsWithALimitOfTheirOwn:
    @pytest.mark.parametrize(
        ("call", "requests", "window", "pause"),
        [(DEALS, 120, 60, 60), (DEAL, 120, 60, 60), (SMART_TRADES, 40, 10, 10), ("GET /ver1/accounts", 100, 60, 300)],
    )
    def test_as_documented(self, call, requests, window, pause):
        limiter, clock = limiter_at()
        assert statuses(limiter, requests + 1, call=call) == [200] * requests + [429]
        clock.now += pause - 1
        assert statuses(limiter, 1, call=call) == [429]
        clock.now += 2
        assert statuses(limiter, requests, call=call) == [200] * requests
        clock.now += window
        assert statuses(limiter, 1, call=call) == [200]

    def test_each_has_a_count_and_a_pause_of_its_own(self):
        limiter, _ = limiter_at()
        assert statuses(limiter, 121, call=DEALS)[-1] == 429
        for call, requests in ((DEAL, 120), (SMART_TRADES, 40), ("GET /ver1/accounts", 100)):
            assert statuses(limiter, requests, call=call) == [200] * requests
        assert statuses(limiter, 1, call="GET /ver1/bots") == [429]

    def test_going_on_in_one_pause_bans_the_address_from_everything_with_every_key(self):
        limiter, _ = limiter_at(ban_after=3)
        assert statuses(limiter, 40 + 1 + 4, call=SMART_TRADES)[-5:] == [429] * 4 + [418]
        assert statuses(limiter, 1, key="another", call=DEALS) == [418]
        assert statuses(limiter, 1, key="another") == [418]
        assert statuses(limiter, 1, key="another", address="127.0.0.2") == [200]

    def test_429_tells_the_pause_of_the_call(self):
        limiter, _ = limiter_at()
        statuses(limiter, 40, call=SMART_TRADES)
        assert limiter.retry_after(limiter.check("key", "127.0.0.1", call=SMART_TRADES)) == "10"

    def test_plan_limits_the_other_calls_alone(self):
        limiter, _ = limiter_at()
        assert [limiter.check("key", "127.0.0.1", 5, call=DEALS) for _ in range(6)] == [None] * 6


def test_limits_of_calls_over_http(sim, api):
    few = [{"calls": [DEALS, DEAL], "requests": 2, "window_seconds": 3600, "pause_seconds": 30}]
    sim.rate_limit(endpoints=few, requests=3, window_seconds=3600)
    number = api("GET", "/ver1/deals").json[0]["id"]
    assert [api("GET", f"/ver1/{path}").status for path in (f"deals/{number}/show", "deals", "bots")] == [200, 429, 200]
    assert [rule["requests"] for rule in sim.state()["rate_limit"]["endpoints"]] == [2]


def test_ban_over_http_hits_every_key(sim, api, api_for):
    sim.rate_limit(requests=1, ban_after=1, window_seconds=3600)
    assert [api("GET", "/ver1/accounts").status for _ in range(4)] == [200, 429, 429, 418]
    other = api_for(sim.read_only_api_key, sim.read_only_secret)
    assert other("GET", "/ver1/deals").status == 418
