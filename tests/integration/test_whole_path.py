"""The whole path on a whole Airflow: scheduler, triggerer, real task logs; and nowhere a credential.

What ``dag.test()`` can't show: deferral to a triggerer, DAGs started by assets, masking.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_provider_3commas.simulator import Simulator
from local_airflow.command_line import AirflowByCommandLine

pytestmark = pytest.mark.scheduler

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "example_dags"

LIQUIDATION, REPORT, LEAKS, SHOUTS = "risk_off_liquidation", "risk_off_report", "leaks", "shouts"
#: Connections beside the default one, which is the simulator's own key; each has an account of its own.
ACCOUNTS = {"rsa": 32500001, "flaky": 32500002, "wrong": 32500003, "broken": 32500004}
EXCHANGE_KEY = re.compile(rb"simulator-LEAKED-exchange-api-key-\d+")


class FinishedRuns:
    """Run the example DAGs and those that could leak a credential; keep all that Airflow has written."""

    def __init__(self, home: Path) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.private_key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self.public_key = (
            key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )
        # The last one is no key at all: a PEM that lost its end.
        self.secrets = {
            "flaky": "hmac-secret-of-the-flaky-one-5b1f",
            "wrong": "hmac-secret-that-is-wrong-77aa",
            "broken": self.private_key[: len(self.private_key) // 2],
        }
        self.home = home
        self.states: dict[str, str] = {}
        self.tasks: dict[str, dict[str, str]] = {}
        self.sells: list[dict[str, Any]] = []
        self.xcoms: dict[tuple[str, str, str], Any] = {}
        self.printed = ""

    @staticmethod
    def api_key(name: str) -> str:
        return f"api-key-of-the-{name}-one-c3d4"

    def run(self) -> None:
        dags = self.home / "dags"
        dags.mkdir()
        for file in (EXAMPLES / f"{LIQUIDATION}.py", EXAMPLES / f"{REPORT}.py", HERE / "dags" / f"{LEAKS}.py"):
            (dags / file.name).write_text(_for_tests(file.read_text()))
        with Simulator("calm", speed=60) as simulator:
            self._prepare(simulator)
            with AirflowByCommandLine(self.home, environment=self._connections(simulator)) as airflow:
                airflow.wait_for_dags({LIQUIDATION, REPORT, LEAKS, SHOUTS})
                airflow.trigger(
                    LIQUIDATION, "by_hand", json.dumps({"account_id": simulator.account_id, "dry_run": False})
                )
                airflow.trigger(LEAKS, "by_hand", json.dumps({"accounts": ACCOUNTS}))
                for dag_id, run_id in ((LIQUIDATION, "by_hand"), (REPORT, "%"), (LEAKS, "by_hand"), (REPORT, "%")):
                    self._await(airflow, dag_id, run_id)
                rows = airflow.database("select dag_id, task_id, key, value from xcom")
                self.xcoms = {row[:3]: json.loads(row[3]) for row in rows}
                self.printed = airflow.log_file.read_text(errors="replace")
                # Airflow copies what tasks print to its own output, where it masks nothing: so these come last.
                airflow.trigger(SHOUTS, "by_hand")
                self._await(airflow, SHOUTS, "by_hand")
            self.sells = simulator.sells()

    def _await(self, airflow: AirflowByCommandLine, dag_id: str, run_id: str) -> None:
        self.states[dag_id] = airflow.wait_for_run(dag_id, run_id)
        self.tasks[dag_id] = airflow.task_states(dag_id, run_id)

    def _prepare(self, simulator: Simulator) -> None:
        simulator.rate_limit(enabled=False)
        for account_id in ACCOUNTS.values():
            account = {"name": f"Account {account_id}", "market_code": "binance", "bots": 1}
            simulator.change_account(account_id, **account, holdings={"BTC": "0.5", "ETH": "3", "USDT": "100"})
        simulator.put_key(self.api_key("rsa"), public_key=self.public_key)
        simulator.put_key(self.api_key("flaky"), secret=self.secrets["flaky"])
        simulator.put_key(self.api_key("wrong"), secret="another-secret")
        flaky = f"/accounts/{ACCOUNTS['flaky']}/"
        # The first three POSTs are the rows of the preflight, the sell, and the first refresh of the wait.
        simulator.fault("html", method="POST", path=flaky, skip=3, times=1, status=502)
        simulator.fault("status", method="POST", path=flaky, skip=4, times=1, status=500)

    def _connections(self, simulator: Simulator) -> dict[str, str]:
        connections = {"DEFAULT": {"login": simulator.api_key, "password": simulator.secret, "extra": {}}}
        for name in ACCOUNTS:
            connections[name.upper()] = {"login": self.api_key(name), "password": self.secrets.get(name), "extra": {}}
        connections["RSA"]["extra"] = {"private_key": self.private_key}
        return {
            f"AIRFLOW_CONN_THREECOMMAS_{name}": json.dumps(
                {"conn_type": "threecommas", "host": simulator.url, **connection}
            )
            for name, connection in connections.items()
        }

    def credentials(self) -> list[bytes]:
        """Return everything that must be nowhere."""
        pem = [line for line in self.private_key.splitlines() if not line.startswith("-----")]
        keys = [self.api_key(name) for name in ACCOUNTS]
        secrets = [Simulator.api_key, Simulator.secret, self.secrets["flaky"], self.secrets["wrong"]]
        return [credential.encode() for credential in (*secrets, *keys, *pem)]


def _for_tests(text: str) -> str:
    """Look every few seconds, not every minute; and only when told to, not every Friday."""
    text = text.replace("deferrable=True,", "deferrable=True, poke_interval=3, retries=3, retry_delay=1,")
    return text.replace('schedule="0 21 * * 5"', "schedule=None")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> FinishedRuns:
    finished = FinishedRuns(tmp_path_factory.mktemp("whole-path"))
    finished.run()
    return finished


def test_account_goes_to_btc_through_scheduler_and_triggerer(finished: FinishedRuns) -> None:
    assert finished.states[LIQUIDATION] == "success", finished.printed[-6000:]
    assert finished.tasks[LIQUIDATION] == {"liquidate": "success", "settled": "success", "report": "success"}
    assert [sell["target"] for sell in finished.sells if sell["account_id"] == Simulator.account_id] == ["BTC"]
    assert finished.xcoms[LIQUIDATION, "settled", "return_value"]["settled_at"]
    assert "trigger" in "".join(str(path) for path in finished.home.rglob("*.log.trigger.*.log"))


def test_settled_account_starts_the_dag_that_reports(finished: FinishedRuns) -> None:
    assert finished.states[REPORT] == "success", finished.printed[-6000:]
    lines = finished.xcoms[REPORT, "report", "return_value"]
    assert any(line.startswith("Account ") and "(DAG " in line for line in lines), lines


def test_every_connection_was_used_in_earnest(finished: FinishedRuns) -> None:
    states = finished.tasks[LEAKS]
    assert {name: states[f"{name}_liquidate"] for name in ACCOUNTS} == {
        "rsa": "success", "flaky": "success", "wrong": "failed", "broken": "failed"
    }, finished.printed[-6000:]  # fmt: skip
    assert {name: states[f"{name}_settled"] for name in ACCOUNTS} == {
        "rsa": "success", "flaky": "success", "wrong": "failed", "broken": "failed"
    }, finished.printed[-6000:]  # fmt: skip
    assert states["rsa_talk"] == states["flaky_talk"] == "success"
    assert finished.tasks[SHOUTS] == dict.fromkeys(ACCOUNTS, "failed")
    sold = {sell["account_id"] for sell in finished.sells}
    assert sold == {Simulator.account_id, ACCOUNTS["rsa"], ACCOUNTS["flaky"]}


def test_no_credential_is_in_logs_xcoms_rendered_fields_or_the_database(finished: FinishedRuns) -> None:
    files = {path: path.read_bytes() for path in finished.home.rglob("*") if path.is_file()}
    assert len([path for path in files if path.match("*attempt=*.log*")]) >= 20
    files[finished.home / "standalone.log"] = finished.printed.encode()
    # What is looked for would be found.
    assert any(b"Account 32500001" in text for path, text in files.items() if path.name == "airflow.db")

    found = [
        (str(path.relative_to(finished.home)), credential)
        for path, text in files.items()
        for credential in (*finished.credentials(), *EXCHANGE_KEY.findall(text))
        if credential in text
    ]
    assert not found
