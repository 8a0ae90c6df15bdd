from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from airflow_provider_3commas.simulator import Simulator, SimulatorError
from tests.certificates import certificate_files

COMMAND = [sys.executable, "-m", "airflow_provider_3commas.simulator"]


def run(*options):
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "0.0.0.0"], "not a loopback address"),
        (["--scenario", "nope"], "neither a scenario"),
        (["--speed", "-1"], "--speed"),
        (["--tls-cert", "x"], "both or neither"),
    ],
)
def test_bad_option_is_refused_with_the_reason(options, message):
    done = run("--port", "0", *options)
    assert done.returncode == 2
    assert message in done.stderr


def test_key_that_can_not_verify_anything_is_refused(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"extends": "calm", "keys": [{"key": "k"}]}))
    done = run("--port", "0", "--scenario", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert "the key k has neither a secret nor a public_key" in done.stderr


def test_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "--port" in done.stderr


def test_bad_scenario_file_is_refused_with_the_reason(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"extends": "calm", "fils": {}}))
    done = run("--port", "0", "--scenario", str(file))
    assert done.returncode == 2
    assert "fils" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly_and_fast_even_with_a_request_held(number):
    with subprocess.Popen(
        [*COMMAND, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[0].startswith("3Commas simulator listening on http://127.0.0.1:")
        assert lines[0].rstrip().endswith("(scenario calm, speed 1)")
        assert "simulator-key" in lines[1]
        port = int(lines[0].split()[4].rpartition(":")[2])
        fault = urllib.request.Request(
            f"http://127.0.0.1:{port}/simulator/faults", b'{"action": "hold", "path": "market_list"}',
            {"Content-Type": "application/json"}, method="POST",
        )  # fmt: skip
        urllib.request.urlopen(fault).close()
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"GET /public/api/ver1/accounts/market_list HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port)
            time.sleep(0.1)
            started = time.monotonic()
            process.send_signal(number)
            assert process.wait(5) == 0
            assert time.monotonic() - started < 2
        assert process.stderr.read() == ""


def test_it_ends_with_the_process_that_started_it():
    code = (
        "import os; from airflow_provider_3commas.simulator import Simulator; "
        "s = Simulator(); print(s.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    pid = int(done.stdout)
    end = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < end, "the simulator outlived the process that started it"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc").is_dir()


def test_https(tmp_path):
    certificate, key = certificate_files(tmp_path)
    with Simulator(tls_cert=certificate, tls_key=key) as simulator:
        assert simulator.url.startswith("https://")
        assert simulator.state()["scenario"] == "calm"
        trusting = ssl.create_default_context(cafile=certificate)
        with urllib.request.urlopen(f"{simulator.url}/public/api/ver1/accounts/market_list", context=trusting) as reply:
            assert json.load(reply)


def test_helper_tells_why_it_did_not_start():
    with pytest.raises(SimulatorError, match="neither a scenario"):
        Simulator("nope")


def test_helper_takes_a_scenario_document_and_can_be_stopped_twice():
    with Simulator({"extends": "dust", "name": "mine"}, speed=60) as simulator:
        state = simulator.state()
        assert (state["scenario"], state["speed"]) == ("mine", 60)
        simulator.stop()
    with pytest.raises(SimulatorError):
        simulator.state()


def test_it_stands_on_nothing_of_the_rest_of_the_package():
    code = (
        "import sys, airflow_provider_3commas.simulator.server, airflow_provider_3commas.simulator.process\n"
        "own = 'airflow_provider_3commas'\n"
        "print([m for m in sys.modules if m == 'airflow' or m.startswith('airflow.') or m == 'requests' or "
        "(m.startswith(own + '.') and not m.startswith(own + '.simulator'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
