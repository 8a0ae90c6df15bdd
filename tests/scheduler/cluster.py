"""An Airflow and a simulator, with an account for every case."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_3commas.simulator import Simulator
from local_airflow.errors import LocalAirflowError
from tests.scheduler.airflow_components import AirflowComponents
from tests.scheduler.cases import Account, Case, CaseRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

DAG_IDS = {
    "kill_matrix",
    "patient_kill_matrix",
    "kill_matrix_once",
    "kill_matrix_last",
    "mapped_kill_matrix_once",
    "mapped_kill_matrix_last",
    "liquidation",
    "liquidation_once",
    "liquidation_anyway",
    "mapped_liquidation",
    "moved_liquidation",
    "patient_liquidation",
    "backfilled",
    "unpaused_late",
    "paused",
    "every_minute",
    "made_anew",
    "hook_results",
}
#: For runs whose operator knows neither account nor connection from its run's conf.
PAST = "past"


class Cluster:
    """Start Airflow and a simulator with the accounts that some cases need.

    :param cases: the cases.
    :param folder: an empty folder.
    :param execution_api_environment: what is set for the tasks' API server alone.
    """

    def __init__(
        self, cases: Iterable[Case], folder: Path, execution_api_environment: Mapping[str, str] | None = None
    ) -> None:
        patient = {PAST: False}
        for case in cases:
            patient |= dict.fromkeys((case.name, _again(case), *_others(case)), case.patient)
        self.accounts = {name: Account(name, 33000000 + i, patient[name]) for i, name in enumerate(patient)}
        self.signals = folder / "signals"
        self.signals.mkdir()
        self.now = datetime.now(UTC)
        self.simulator = Simulator(
            {
                "extends": "calm",
                "name": "kill matrix",
                "keys": [{"key": account.api_key, "secret": account.secret} for account in self.accounts.values()],
                "accounts": [account.scenario() for account in self.accounts.values()],
            }
        )
        try:
            self.airflow = AirflowComponents(folder / "airflow", self._environment(), execution_api_environment)
        except BaseException:
            self.simulator.stop()
            raise

    def _environment(self) -> dict[str, str]:
        past = self.accounts[PAST]
        ticks = self.accounts.get("every_minute", past)
        return {
            "TEST_SIGNALS": str(self.signals),
            "TEST_NOW": self.now.isoformat(),
            "TEST_PAST_ACCOUNT": str(past.id),
            "TEST_TICKS_ACCOUNT": str(ticks.id),
            "TEST_TICKS_CONN": ticks.conn_id,
            "TEST_ANEW_ACCOUNT": str(self.accounts.get("made_anew", past).id),
            "AIRFLOW_CONN_THREECOMMAS_DEFAULT": past.connection(self.simulator.url),
            **{
                f"AIRFLOW_CONN_{account.conn_id.upper()}": account.connection(self.simulator.url)
                for account in self.accounts.values()
            },
            # The same account and key, at another address.
            **{
                f"AIRFLOW_CONN_{account.conn_id.upper()}_ELSEWHERE": account.connection(
                    self.simulator.url.replace("127.0.0.1", "localhost")
                )
                for account in self.accounts.values()
                if account.name.startswith("moved")
            },
        }

    def run(self, case: Case) -> CaseRun:
        """Take a case's steps, and once more with another account if Airflow has disturbed them."""
        case_run = self._case_run(case, case.name)
        try:
            case.steps(case_run)
        except (AssertionError, LocalAirflowError):
            if not case_run.disturbed():
                raise
        if case_run.disturbed():
            case_run = self._case_run(case, _again(case))
            case.steps(case_run)
        return case_run

    def _case_run(self, case: Case, name: str) -> CaseRun:
        others = [self.accounts[other] for other in _others(case)]
        return CaseRun(self.airflow, self.simulator, self.accounts[name], case, self.signals, name, others)

    def stop(self) -> None:
        try:
            self.airflow.stop()
        finally:
            self.simulator.stop()


def _again(case: Case) -> str:
    return f"{case.name}_again"


def _others(case: Case) -> list[str]:
    """Name the further accounts that a case needs."""
    return [f"{case.name}_other_{number}" for number in range(case.parameters.get("others", 0))]
