"""``ping`` and ``time`` are not documented any more: a client has to do without them."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["scenario", "switch"])
def without(request, sim):
    if request.param == "scenario":
        sim.reset({"extends": "calm", "ping_and_time": False})
    else:
        sim.settings(ping_and_time=False)
    return sim


@pytest.mark.parametrize("path", ["ping", "time"])
def test_they_are_answered_unless_told_otherwise(sim, api, path):
    assert api("GET", f"/ver1/{path}", apikey=None, signature=None).status == 200


@pytest.mark.parametrize("path", ["ping", "time"])
def test_without_them(without, api, path):
    answer = api("GET", f"/ver1/{path}", apikey=None, signature=None)
    assert (answer.status, answer.json["error"]) == (404, "not_found")
    assert answer.headers["date"]
    assert api("GET", "/ver1/validate").json == {"valid": True}
    assert without.journal()[0]["applied"] is False
    without.settings(ping_and_time=True)
    assert api("GET", f"/ver1/{path}").status == 200
