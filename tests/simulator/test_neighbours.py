"""A web page in this machine's browser, or a name that leads here, can't use the simulator; it tells no secrets."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import sys

import pytest

from airflow_provider_3commas.simulator import Simulator, SimulatorError

JSON = {"Content-Type": "application/json"}
#: What the body of a request may have, in bytes.
LIMIT = 16 * 2**20


def ask(sim: Simulator, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body, named)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/simulator/state", "/public/api/ver1/ping"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}",
             "10.0.0.1:{port}", "127.0.0.1:{port}@evil.example", "[::1", "127.1:{port}", ""]
)  # fmt: skip
def test_a_name_that_is_not_loopback_with_its_port_is_refused(sim, path, host):
    status, text = ask(sim, "GET", path, Host=host.format(port=sim.port))
    assert status == 403
    assert "Host" in text
    assert sim.journal() == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}", "127.0.0.2:{port}"]
)
def test_names_of_loopback_are_answered(sim, host):
    assert ask(sim, "GET", "/simulator/state", Host=host.format(port=sim.port))[0] == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}", ""]
)
def test_a_page_from_elsewhere_is_refused_and_nothing_happens(sim, origin):
    sim.fault("status", status=500)
    origin = origin.format(port=sim.port)
    status, text = ask(sim, "POST", "/simulator/reset", b"{}", Origin=origin, **{"Content-Type": "application/json"})
    assert status == 403
    assert "Origin" in text
    assert ask(sim, "GET", "/public/api/ver1/ping", Origin=origin)[0] == 403
    assert [fault["hits"] for fault in sim.control("GET", "faults")["faults"]] == [0]


def test_its_own_origin_is_answered(sim):
    assert ask(sim, "GET", "/simulator/state", Origin=sim.url)[0] == 200


def test_two_hosts_are_refused(sim):
    with socket.create_connection(("127.0.0.1", sim.port)) as sock:
        own = f"Host: 127.0.0.1:{sim.port}\r\n"
        sock.sendall(f"GET /simulator/state HTTP/1.1\r\n{own}Host: evil.example\r\n\r\n".encode())
        assert sock.recv(65536).split(b" ")[1] in (b"400", b"403")


@pytest.mark.parametrize(("method", "path"), [("POST", "reset"), ("POST", "release"), ("PATCH", "settings")])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/json-patch"])
def test_control_wants_json_which_a_page_can_not_send_unasked(sim, method, path, kind):
    sim.fault("status", status=500)
    status, text = ask(sim, method, f"/simulator/{path}", b"{}", **{"Content-Type": kind})
    assert (status, "application/json" in text) == (415, True)
    assert sim.control("GET", "faults")["faults"]


def test_control_takes_json_with_a_charset(sim):
    kind = "Application/JSON; charset=utf-8"
    assert ask(sim, "POST", "/simulator/release", b"{}", **{"Content-Type": kind})[0] == 200


@pytest.mark.parametrize("scenario", ["{file}", {"extends": "{file}"}, "../scenario_files/calm", "/etc/passwd"])
def test_a_scenario_over_http_is_a_name_or_a_document_and_no_file(sim, tmp_path, scenario):
    file = tmp_path / "mine.json"
    file.write_text('{"secret-word": 1, "extends": "another-secret"}')
    scenario = json.loads(json.dumps(scenario).replace("{file}", str(file)))
    with pytest.raises(SimulatorError, match=r"400 .*expected one of autobalance, .*or a document") as told:
        sim.reset(scenario)
    file.unlink()
    with pytest.raises(SimulatorError) as told_without_it:
        sim.reset(scenario)
    assert str(told.value) == str(told_without_it.value)
    assert "secret" not in str(told.value)


def test_keys_of_a_scenario_of_somebody_are_not_printed(tmp_path):
    file = tmp_path / "mine.json"
    keys = [{"key": "my-very-own-key", "secret": "my-very-own-secret"}]
    file.write_text(json.dumps({"extends": "calm", "keys": keys}))
    command = [sys.executable, "-m", "airflow_provider_3commas.simulator", "--port", "0", "--until-stdin-closes"]
    done = subprocess.run(
        [*command, "--scenario", str(file)],
        input="", capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert "listening" in done.stdout
    assert "API keys: those of the scenario" in done.stdout
    assert "very-own" not in done.stdout + done.stderr


def test_keys_of_somebody_are_not_shown_in_the_state(sim):
    shown = sim.control("POST", "keys", {"key": "my-very-own-key", "secret": "my-very-own-secret"})
    assert shown["key"] == "***"
    assert "very-own" not in str(sim.state())
    assert sim.state()["keys"][0]["key"] == sim.api_key


@pytest.mark.parametrize("path", ["/simulator/reset", "/public/api/ver1/users/change_mode"])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_that_is_too_long_is_refused_before_it_is_kept(sim, path, chunked):
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {LIMIT + 1}"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{sim.port}\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", sim.port), timeout=10) as sock:
        sock.sendall(head.encode())
        if chunked:
            block = b"x" * 2**20
            with contextlib.suppress(OSError):
                for _ in range(17):
                    sock.sendall(b"%x\r\n%s\r\n" % (len(block), block))
        assert sock.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_the_most_that_is_allowed_is_read(sim):
    body = b"{" + b" " * (LIMIT - 2) + b"}"
    assert ask(sim, "POST", "/simulator/release", body, **JSON)[0] == 200
