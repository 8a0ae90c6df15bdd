"""What the tab reads of a run through Airflow's API, and sends to be rendered; Node runs its code."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_3commas.plugins
from airflow_provider_3commas.report import build_report
from tests.report.samples import BEFORE, FACTS, HISTORY, LEFT, LIQUIDATION, SETTLEMENT

NODE = shutil.which("node")
STATIC = Path(airflow_provider_3commas.plugins.__file__).parent / "static"

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node.js")

SCRIPT = """
import { readFileSync } from "node:fs";
const { instances, xcoms } = JSON.parse(readFileSync(0, "utf8"));
globalThis.document = { baseURI: "http://airflow.example/prefix/threecommas/liquidation.html" };
const requests = [];
globalThis.fetch = async (url) => {
  requests.push(url.pathname);
  const path = url.pathname.replace("/prefix/api/v2/dags/d/dagRuns/r", "");
  const answer = (value) => ({ ok: true, json: async () => value });
  if (path === "") return answer({ state: "failed" });
  if (path === "/taskInstances") return answer({ task_instances: instances, total_entries: instances.length });
  if (path === "/taskInstances/~/xcomEntries") {
    const found = xcoms.filter(({ key }) => key === url.searchParams.get("xcom_key"));
    return answer({ xcom_entries: found.map(({ value, ...entry }) => entry), total_entries: found.length });
  }
  const [, task, key] = /^\\/taskInstances\\/([^/]+)\\/xcomEntries\\/([^/]+)$/.exec(path);
  const index = Number(url.searchParams.get("map_index"));
  const one = xcoms.find((xcom) => xcom.task_id === task && xcom.key === key && xcom.map_index === index);
  return one ? answer({ value: one.value }) : { ok: false, status: 404 };
};
const { Run } = await import("./run.js");
const run = new Run("d", "r");
await run.refresh(null);
const first = requests.length;
await run.refresh(null);
console.log(JSON.stringify({ accounts: run.accounts(), again: requests.length - first }));
"""


def read_run(tmp_path: Any, tasks: list[tuple[str, int, str, dict[str, Any]]]) -> dict[str, Any]:
    """Return what the page reads of a run of these tasks: id, map index, state, XComs."""
    operators = {"liquidate": "SellAllToBtcOperator", "settled": "BalancesSettledSensor"}
    run = {
        "instances": [
            {"task_id": task, "map_index": index, "state": state, "operator_name": operators.get(task), "end_date": "x"}
            for task, index, state, _ in tasks
        ],
        "xcoms": [
            {"task_id": task, "map_index": index, "key": key, "value": value, "timestamp": "t"}
            for task, index, _, xcoms in tasks
            for key, value in xcoms.items()
        ],
    }
    for module in STATIC.glob("*.js"):
        shutil.copy(module, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "read.js").write_text(SCRIPT)
    done = subprocess.run(
        [NODE, "read.js"], cwd=tmp_path, input=json.dumps(run), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    read["reports"] = [build_report(**account["xcoms"]) for account in read["accounts"]]
    return read


SOLD = {"liquidation": LIQUIDATION, "holdings_before": BEFORE}
FAILED = {**FACTS, "result": LEFT}


def test_settled_account_has_criteria_and_requests(tmp_path):
    waited = {"return_value": SETTLEMENT, "settlement_history": HISTORY, "settlement_facts": FACTS}
    read = read_run(tmp_path, [("liquidate", -1, "success", SOLD), ("settled", -1, "success", waited)])

    (report,) = read["reports"]
    assert (report["unsold"]["dust_btc"], report["requests"]["settlement"], report["notes"]) == ("0.0001", 11, [])
    assert report == build_report(
        holdings_before=BEFORE, liquidation=LIQUIDATION, settlement=SETTLEMENT, history=HISTORY, facts=FACTS,
        liquidation_state="success", settlement_state="success",
    )  # fmt: skip
    # The run, its tasks, four kinds of XComs; and nothing that has been read before.
    assert read["again"] == 6


def test_each_mapped_account_has_its_own(tmp_path):
    tasks = [
        ("liquidate", 0, "success", SOLD),
        ("liquidate", 1, "success", SOLD),
        ("settled", 0, "success", {"return_value": SETTLEMENT, "settlement_facts": FACTS}),
        ("settled", 1, "failed", {"settlement_history": HISTORY, "settlement_facts": {**FAILED, "requests": 29}}),
    ]
    settled, failed = read_run(tmp_path, tasks)["reports"]

    assert (settled["status"], settled["requests"]["settlement"]) == ("settled", 11)
    assert (failed["status"], failed["requests"]["settlement"]) == ("not_settled", 29)
    assert [item["currency"] for item in failed["unsold"]["items"]] == ["SOL", "DOGE"]


def test_sensor_of_another_class_is_found_by_its_facts(tmp_path):
    (report,) = read_run(tmp_path, [("wait", -1, "failed", {"settlement_facts": FAILED})])["reports"]

    assert (report["status"], report["account"]["id"]) == ("not_settled", 32402783)


def test_wait_under_way_is_not_over(tmp_path):
    tasks = [("liquidate", -1, "success", SOLD), ("settled", -1, "deferred", {"settlement_facts": FAILED})]
    (report,) = read_run(tmp_path, tasks)["reports"]

    assert (report["status"], report["after"], report["unsold"]["items"]) == ("settling", None, [])
