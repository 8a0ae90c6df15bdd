from __future__ import annotations

import http.client
import socket
import threading
import time

import pytest

ID = 32402783
SELL = f"/ver1/accounts/{ID}/sell_all_to_btc"


def sell_in_thread(api):
    result = {}

    def run():
        try:
            result["answer"] = api.sell()
        except (OSError, http.client.HTTPException) as err:
            result["error"] = err

    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


@pytest.mark.parametrize("when", ["before", "after"])
class TestReplyThatHidesTheOutcome:
    """The effect happens or not, as ordered; the reply tells nothing about it."""

    def applied(self, sim, when):
        expected = 1 if when == "after" else 0
        assert len(sim.sells()) == expected
        attempt = sim.sell_attempts()[0]
        assert attempt["applied"] == bool(expected)
        assert attempt["fault"].endswith(when)

    @pytest.mark.parametrize("status", [400, 403, 500, 502, 503, 504, 520, 524])
    def test_status(self, sim, api, when, status):
        sim.fault("status", path="sell_all_to_btc", when=when, status=status)
        assert api.sell().status == status
        self.applied(sim, when)

    def test_html(self, sim, api, when):
        sim.fault("html", path="sell_all", when=when, status=200)
        answer = api.sell()
        assert (answer.status, answer.body[:9]) == (200, b"<!DOCTYPE")
        assert answer.headers["content-type"].startswith("text/html")
        self.applied(sim, when)

    def test_empty(self, sim, api, when):
        sim.fault("empty", path="sell_all", when=when)
        answer = api.sell()
        assert (answer.status, answer.body) == (201, b"")
        self.applied(sim, when)

    def test_json(self, sim, api, when):
        sim.fault("json", path="sell_all", when=when, body={"ok": True}, headers={"X-Extra": "1"})
        answer = api.sell()
        assert (answer.status, answer.json, answer.headers["x-extra"]) == (201, {"ok": True}, "1")
        self.applied(sim, when)

    def test_wrong_account(self, sim, api, when):
        sim.fault("wrong_account", path="sell_all", when=when)
        answer = api.sell()
        assert (answer.status, answer.json["id"]) == (201, ID + 1)
        assert "btc_amount" in answer.json
        self.applied(sim, when)

    def test_redirect(self, sim, api, when):
        sim.fault("redirect", path="sell_all", when=when, location="http://127.0.0.1:9/there")
        answer = api.sell()
        assert (answer.status, answer.headers["location"]) == (302, "http://127.0.0.1:9/there")
        self.applied(sim, when)

    def test_truncate(self, sim, api, when):
        sim.fault("truncate", path="sell_all", when=when)
        with pytest.raises(http.client.IncompleteRead) as caught:
            api.sell()
        assert caught.value.partial
        self.applied(sim, when)

    def test_drop(self, sim, api, when):
        sim.fault("drop", path="sell_all", when=when)
        with pytest.raises(http.client.RemoteDisconnected):
            api.sell()
        self.applied(sim, when)
        assert sim.sell_attempts()[0]["status"] is None

    def test_drop_with_reset(self, sim, api, when):
        sim.fault("drop", path="sell_all", when=when, reset=True)
        with pytest.raises(ConnectionResetError) as caught:
            api.sell()
        assert not isinstance(caught.value, http.client.RemoteDisconnected)
        self.applied(sim, when)

    def test_hang(self, sim, api, when):
        sim.fault("hang", path="sell_all", when=when, seconds=0.2)
        started = time.monotonic()
        with pytest.raises(http.client.RemoteDisconnected):
            api.sell()
        assert time.monotonic() - started >= 0.2
        self.applied(sim, when)

    def test_read_timeout_while_it_hangs(self, sim, api, when):
        sim.fault("hang", path="sell_all", when=when)
        api.connection.timeout = 0.2
        with pytest.raises(TimeoutError):
            api.sell()
        self.applied(sim, when)


@pytest.mark.parametrize("when", ["before", "after"])
def test_delay_only_delays(sim, api, when):
    sim.fault("delay", path="sell_all", when=when, seconds=0.2)
    started = time.monotonic()
    assert api.sell().status == 201
    assert time.monotonic() - started >= 0.2
    assert len(sim.sells()) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_held_request_can_be_watched_and_released(sim, api, when):
    sim.fault("hold", method="POST", path="sell_all", when=when)
    thread, result = sell_in_thread(api)
    held = sim.wait_held()
    assert (held["method"], held["account_id"], held["gone"]) == ("POST", str(ID), False)
    assert held["applied"] == (when == "after")
    assert len(sim.sells()) == (1 if when == "after" else 0)
    assert sim.sell_attempts()[0]["status"] is None
    assert sim.release() == 1
    thread.join(5)
    assert result["answer"].status == 201
    assert len(sim.sells()) == 1
    assert sim.held() == []


@pytest.mark.parametrize(("apply_if_gone", "sells"), [(True, 1), (False, 0)])
def test_client_that_dies_while_it_is_held(sim, api, apply_if_gone, sells):
    sim.fault("hold", path="sell_all", apply_if_gone=apply_if_gone)
    target = f"/public/api{SELL}"
    with socket.create_connection(("127.0.0.1", sim.port)) as sock:
        head = [f"POST {target} HTTP/1.1", f"Host: 127.0.0.1:{sim.port}", f"Apikey: {api.key}"]
        sock.sendall("\r\n".join([*head, f"Signature: {api.sign(target)}", "", ""]).encode())
        held = sim.wait_held()
    until(lambda: sim.held()[0]["gone"])
    sim.release(held["id"])
    until(lambda: not sim.held())
    assert len(sim.sells()) == sells


def test_held_request_can_be_discarded(sim, api):
    sim.fault("hold", path="sell_all")
    thread, result = sell_in_thread(api)
    sim.wait_held()
    sim.release(discard=True)
    thread.join(5)
    assert isinstance(result["error"], http.client.RemoteDisconnected)
    assert sim.sells() == []


def test_reset_ends_held_requests_without_carrying_them_out(sim, api):
    sim.fault("hold", path="sell_all")
    thread, result = sell_in_thread(api)
    sim.wait_held()
    sim.reset()
    thread.join(5)
    assert "error" in result
    assert sim.sells() == []


def test_held_request_goes_on_when_its_time_is_up(sim, api):
    sim.fault("hold", path="sell_all", seconds=0.1)
    assert api.sell().status == 201


def test_fault_hits_as_often_and_as_late_as_told(sim, api):
    sim.fault("status", path="active_trading_entities", times=2, skip=1, status=503)
    path = f"/ver1/accounts/{ID}/active_trading_entities"
    assert [api("GET", path).status for _ in range(5)] == [200, 503, 503, 200, 200]
    assert api.rows()
    assert sim.control("GET", "faults")["faults"][0]["hits"] == 2


def test_fault_that_lasts_ends_when_cleared(sim, api):
    sim.fault("status", method="get", times=None, status=500)
    answers = [api("GET", "/ver1/validate") for _ in range(3)]
    assert [(answer.status, answer.json) for answer in answers] == [(500, {"error": "unknown_error"})] * 3
    sim.clear_faults()
    assert api("GET", "/ver1/validate").status == 200


def test_after_a_refusal_the_fault_shows_but_nothing_is_applied(sim, api):
    sim.fault("status", path="sell_all", when="after", status=502)
    assert api("POST", SELL, signature="0").status == 502
    assert sim.sells() == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"action": "explode"}, "explode"),
        ({"action": "drop", "whem": "after"}, "whem"),
        ({"action": "drop", "times": 0}, "times"),
    ],
)
def test_mistyped_fault_is_refused(sim, fault, message):
    with pytest.raises(RuntimeError, match=message):
        sim.control("POST", "faults", fault)


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)
