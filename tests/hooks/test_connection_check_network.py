"""The connection test says what to change if the host can't be reached, in time: DNS, proxies, TLS."""

from __future__ import annotations

import socket
import time

import pytest

from airflow_provider_3commas.hooks import connection_check
from airflow_provider_3commas.simulator import Simulator
from tests.certificates import certificate_files
from tests.hooks.checking import connection, diagnose

pytestmark = pytest.mark.usefixtures("own_budget")


class TestNetwork:
    @pytest.fixture
    def at(self, simulator):
        def at(host):
            return diagnose(connection(simulator, host=host))

        return at

    def test_a_name_that_does_not_exist_is_named(self, at):
        ok, message = at("https://api.3commas.invalid")
        assert not ok
        assert "the name api.3commas.invalid can't be resolved" in message

    def test_a_refused_connection_is_named(self, at):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        ok, message = at(f"http://127.0.0.1:{port}")
        assert not ok
        assert "connection refused" in message

    def test_a_host_that_does_not_answer_is_named_with_the_timeout(self, at, monkeypatch):
        monkeypatch.setattr(connection_check, "REQUEST_TIMEOUT", 0.5)
        with socket.create_server(("127.0.0.1", 0)) as server:
            ok, message = at(f"http://127.0.0.1:{server.getsockname()[1]}")
        assert not ok
        assert "within 0.5 s" in message

    def test_a_name_server_that_does_not_answer_ends_at_the_deadline(self, at, monkeypatch):
        monkeypatch.setattr(connection_check, "DEADLINE", 0.5)
        monkeypatch.setattr(connection_check, "_measure_clock_offset", lambda _: time.sleep(2))
        started = time.monotonic()
        ok, message = at("http://127.0.0.1:9")
        assert time.monotonic() - started < 1.5
        assert not ok
        assert "No result within 0.5 s" in message

    @pytest.mark.slow
    def test_answers_that_hang_one_after_the_other_end_in_time(self, simulator):
        simulator.fault("delay", path="/ver1/validate", seconds=3.5)
        simulator.fault("hang", path="/ver1/accounts")
        started = time.monotonic()
        ok, message = diagnose(connection(simulator))
        assert time.monotonic() - started < 10
        assert not ok
        assert "no answer from" in message
        simulator.release(discard=True)

    def test_a_proxy_that_does_not_work_is_named(self, at, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("https_proxy", raising=False)
        ok, message = at("https://api.3commas.invalid")
        assert not ok
        assert "the proxy on the way" in message

    @pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
    def test_loopback_is_asked_on_this_machine_whatever_the_environment_says(self, at, simulator, monkeypatch, name):
        for each in ("NO_PROXY", "no_proxy", "http_proxy", "all_proxy"):
            monkeypatch.delenv(each, raising=False)
        with socket.create_server(("127.0.0.1", 0)) as proxy:
            proxy.settimeout(0.2)
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
            assert at(simulator.url)[0]
            with pytest.raises(TimeoutError):
                proxy.accept()

    def test_a_server_without_tls_is_named(self, simulator):
        ok, message = diagnose(connection(simulator, host=simulator.url.replace("http://", "https://")))
        assert not ok
        assert message.startswith("TLS failure: no encrypted connection")

    @pytest.mark.parametrize(
        ("made", "says"),
        [
            ({}, "is not from an authority that this machine trusts"),
            ({"trusted": True, "days": (-9, -1)}, "has expired"),
            ({"trusted": True, "days": (1, 9)}, "is not valid yet"),
            ({"trusted": True, "address": "127.0.0.2"}, "is for another name"),
        ],
        ids=["unknown", "expired", "early", "name"],
    )
    def test_what_is_wrong_with_a_certificate_is_named(self, tmp_path, monkeypatch, made, says):
        certificate, key = certificate_files(tmp_path, **{k: v for k, v in made.items() if k != "trusted"})
        if made.get("trusted"):
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with Simulator(tls_cert=certificate, tls_key=key) as simulator:
            ok, message = diagnose(connection(simulator))
            assert not simulator.journal()
        assert not ok
        assert message.startswith("TLS failure")
        assert says in message
        if "expired" in says or "yet" in says:
            assert "Is the clock" in message

    def test_a_trusted_certificate_passes(self, tmp_path, monkeypatch):
        certificate, key = certificate_files(tmp_path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with Simulator(tls_cert=certificate, tls_key=key) as simulator:
            ok, message = diagnose(connection(simulator))
        assert ok, message
