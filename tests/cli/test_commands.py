"""The commands show what 3Commas says, end with a status that scripts can rely on, and never sell or tell a secret."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from decimal import Decimal

import pytest

from airflow_provider_3commas.printable import one_line
from tests.conftest import connection_to
from tests.versions import AIRFLOW_VERSION

pytestmark = pytest.mark.skipif(AIRFLOW_VERSION < (3, 2), reason="providers have commands since 3.2")

AIRFLOW = [sys.executable, "-m", "airflow"]
HOSTILE = "[red]<img src=x onerror=alert(1)>[/red] \x1b[31m \u202egnp.exe\n'\"" + "x" * 300


@pytest.fixture(autouse=True)
def own_budget(monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))


@pytest.fixture
def simulator(simulate):
    return simulate()


@pytest.fixture
def run(capsys):
    """Run a command in this process, as ``airflow`` would."""
    from airflow.cli.cli_parser import get_parser

    def run(*words):
        capsys.readouterr()
        try:
            args = get_parser().parse_args(["threecommas", *map(str, words)])
            args.func(args)
            status = 0
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return run


class TestAccounts:
    def test_accounts_are_a_table_by_default(self, run, simulator):
        status, out, err = run("accounts")
        assert (status, err) == (0, "")
        for shown in ("id", "sell_all", "locked", "32402783", "My Binance US", "Binance US Spot", "yes", "no"):
            assert shown in out

    def test_json_has_every_digit(self, run, simulator):
        status, out, _ = run("accounts", "--output", "json")
        (row,) = json.loads(out)
        assert status == 0
        assert list(row) == ["id", "name", "exchange", "value_btc", "value_usd", "sell_all", "locked"]
        assert (row["id"], row["sell_all"], row["locked"]) == (32402783, True, False)
        assert len(row["value_btc"].partition(".")[2]) > 8
        assert Decimal(row["value_usd"]) > 1000

    @pytest.mark.parametrize("output", ["yaml", "plain"])
    def test_airflows_other_output_forms_work(self, run, simulator, output):
        status, out, _ = run("accounts", "-o", output)
        assert status == 0
        assert "My Binance US" in out

    def test_accounts_of_all_pages_are_listed(self, run, simulate):
        simulator = simulate({"extends": "fleet", "fleet": {"count": 130}})
        rows = json.loads(run("accounts", "-o", "json")[1])
        assert [row["id"] for row in rows] == [account["id"] for account in simulator.state()["accounts"]]

    def test_no_accounts_is_an_empty_list(self, run, simulate):
        simulate({"extends": "calm", "accounts": []})
        assert run("accounts")[:2] == (0, "No data found\n")
        assert json.loads(run("accounts", "-o", "json")[1]) == []

    @pytest.mark.parametrize("output", ["table", "plain"])
    def test_hostile_name_is_text(self, run, simulator, output):
        simulator.change_account(name=HOSTILE)
        status, out, _ = run("accounts", "-o", output)
        assert status == 0
        assert "[red]<img src=x onerror=alert(1)>[/red] �[31m" in out.replace("\n", "")
        assert not {"\x1b", "\u202e"} & set(out)
        assert "…" in out

    def test_hostile_name_is_one_printable_line_in_json(self, run, simulator):
        simulator.change_account(name=HOSTILE)
        name = json.loads(run("accounts", "-o", "json")[1])[0]["name"]
        assert name == one_line(HOSTILE)
        assert name.isprintable()

    def test_fields_that_are_missing_are_not_zero(self, run, simulator):
        simulator.fault("json", path="/ver1/accounts", body=[{"id": 7, "name": None, "btc_amount": "NaN"}], times=2)
        assert json.loads(run("accounts", "-o", "json")[1]) == [
            {"id": 7} | dict.fromkeys(["name", "exchange", "value_btc", "value_usd", "sell_all", "locked"])
        ]
        assert run("accounts")[1].count("?") == 6


class TestBalances:
    def test_balances_are_a_table_with_the_most_valuable_first(self, run, simulator):
        status, out, err = run("balances", simulator.account_id)
        assert (status, err) == (0, "")
        lines = [line.split(" | ") for line in out.splitlines()]
        assert [cell.strip() for cell in lines[0]] == [
            "currency",
            "amount",
            "available",
            "on_orders",
            "value_btc",
            "value_usd",
        ]
        assert lines[2][0].strip() == "ETH"

    def test_json_has_every_digit_and_no_exponent(self, run, simulator):
        rows = json.loads(run("balances", simulator.account_id, "-o", "json")[1])
        doge = next(row for row in rows if row["currency"] == "DOGE")
        assert doge["value_btc"].startswith("0.0000")
        assert {row["currency"] for row in rows} == set(simulator.account()["holdings"])

    def test_the_commands_only_read(self, run, simulator):
        run("balances", simulator.account_id)
        run("accounts")
        run("validate")
        assert not simulator.sell_attempts()
        assert {entry["endpoint"] for entry in simulator.journal()} == {
            "/ver1/accounts/{id}/account_table_data",
            "/ver1/accounts",
            "/ver1/validate",
        }

    @pytest.mark.parametrize("account_id", ["summary", "0", "1e3", "12/../13"])
    def test_what_is_no_id_is_never_sent(self, run, simulator, account_id):
        status, out, err = run("balances", account_id)
        assert (status, out) == (2, "")
        assert "positive integer" in err
        assert not simulator.journal()

    def test_an_unknown_account_ends_with_status_1(self, run, simulator):
        status, out, err = run("balances", 99)
        assert (status, out) == (1, "")
        assert "404 not_found" in err


class TestValidate:
    def test_a_working_connection_ends_with_status_0(self, run, simulator):
        status, out, err = run("validate")
        assert (status, err) == (0, "")
        assert out.startswith("Connected in real mode")

    def test_a_connection_that_does_not_work_ends_with_status_1(self, run, simulator):
        simulator.put_key(simulator.api_key, permissions=[])
        status, out, err = run("validate")
        assert (status, out) == (1, "")
        assert "ACCOUNTS_READ" in err


class TestFailures:
    def test_refusal_is_told_once_without_a_traceback(self, run, simulator):
        simulator.put_key(simulator.api_key, state="expired")
        status, out, err = run("accounts", "-o", "json")
        assert (status, out) == (1, "")
        assert "401" in err
        assert err.count("\n") == 1

    def test_an_unknown_connection_ends_with_status_2(self, run, simulator):
        status, out, err = run("accounts", "--conn-id", "not-there")
        assert (status, out) == (2, "")
        assert "not-there" in err

    def test_a_connection_that_cannot_be_used_ends_with_status_2(self, run, simulator, monkeypatch):
        value = {**connection_to(simulator), "password": ""}
        monkeypatch.setenv("AIRFLOW_CONN_THREECOMMAS_DEFAULT", json.dumps(value))
        status, _, err = run("accounts")
        assert status == 2
        assert "no API secret" in err

    def test_pause_is_told_and_not_waited_for(self, run, simulator):
        simulator.fault("status", status=429, path="/ver1/accounts", headers={"Retry-After": "222"})
        assert run("accounts")[0] == 1
        status, _, err = run("accounts")
        assert status == 1
        assert "Not sent: 3Commas told this key to pause" in err.replace("API key", "key")
        assert len(simulator.journal()) == 1

    @pytest.mark.parametrize("words", [("balances",), ("accounts", "--output", "xml"), ("sell",), ()])
    def test_wrong_use_ends_with_status_2(self, run, words):
        assert run(*words)[0] == 2

    def test_unknown_extra_does_not_spoil_the_output(self, run, simulate):
        simulate(paper_mode=True)
        status, out, _ = run("accounts", "-o", "json")
        assert status == 0
        assert json.loads(out)


class TestStart:
    def test_costs_other_commands_three_small_modules(self):
        script = (
            "import sys, airflow.cli.cli_config, airflow.sdk\n"
            "before = set(sys.modules)\n"
            "from airflow_provider_3commas.cli.definition import get_cli_commands\n"
            "get_cli_commands()\n"
            "print(*sorted(set(sys.modules) - before))\n"
        )
        done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        assert set(done.stdout.split()) <= {
            "airflow_provider_3commas",
            "airflow_provider_3commas.cli",
            "airflow_provider_3commas.cli.definition",
        }

    def test_nothing_sells(self):
        from airflow_provider_3commas.cli.definition import get_cli_commands

        (group,) = get_cli_commands()
        assert [command.name for command in group.subcommands] == ["validate", "accounts", "balances", "simulate"]


class TestProcess:
    """What only the real ``airflow`` shows."""

    @pytest.fixture
    def environment(self, simulator):
        warnings = {"PYTHONWARNINGS": "default"}
        return {**os.environ, **warnings}

    def test_json_can_be_piped(self, environment):
        command = [*AIRFLOW, "threecommas", "accounts", "--output", "json"]
        done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True, timeout=60)
        assert json.loads(done.stdout)[0]["id"] == 32402783

    def test_simulate_becomes_the_simulator_and_ends_with_a_signal(self, environment):
        command = [*AIRFLOW, "threecommas", "simulate", "--port", "0", "--scenario", "dust", "--speed", "60"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            line = next(line for line in process.stdout if "listening on" in line)
            assert "(scenario dust, speed 60)" in line
            url = line.split("listening on ")[1].split()[0]
            with urllib.request.urlopen(f"{url}/public/api/ver1/accounts/market_list", timeout=10) as reply:
                assert json.load(reply)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0

    def test_simulate_tells_what_is_wrong(self, environment):
        command = [*AIRFLOW, "threecommas", "simulate", "--port", "0", "--scenario", "nope"]
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        assert "neither a scenario" in done.stderr
