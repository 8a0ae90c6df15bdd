"""The page in Airflow computes and says exactly what the report does; Node runs its code where there is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import airflow_provider_3commas.plugins
from airflow_provider_3commas.money import DUST_BTC, TARGETS
from airflow_provider_3commas.report import build_fleet_report, build_report
from airflow_provider_3commas.report.charts import curve_shape, holding_bars
from airflow_provider_3commas.report.texts import describe, describe_fleet
from tests.report.samples import COMPLETE, damaged

NODE = shutil.which("node")
STATIC = Path(airflow_provider_3commas.plugins.__file__).parent / "static"
SCRIPT = """
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const load = (name) => import(pathToFileURL(`${process.argv[2]}/${name}.js`));
const { buildFleetReport, buildReport } = await load("build");
const { describe, describeFleet } = await load("words");
const { curveShape, holdingBars } = await load("charts");
const reports = JSON.parse(readFileSync(0, "utf8")).map((xcoms) => buildReport(xcoms));
const fleet = buildFleetReport(reports);
console.log(JSON.stringify({
  reports,
  shown: reports.map(describe),
  bars: reports.map(holdingBars),
  curves: reports.map(curveShape),
  totals: fleet.totals,
  fleet: describeFleet(fleet),
}));
"""


def test_page_knows_the_same_target_coins():
    source = (STATIC / "build.js").read_text(encoding="utf-8")
    (dollars,) = re.findall(r"const DOLLARS = \[(.*?)\];", source, re.DOTALL)
    assert set(re.findall(r'"(\w+)"', dollars)) == TARGETS["USD"]
    assert f'const DUST_BTC = exact.read("{DUST_BTC}")' in source


@pytest.mark.skipif(NODE is None, reason="needs Node.js")
def test_page_and_report_say_the_same(tmp_path):
    corpus = [{}, COMPLETE, *(damaged(seed) for seed in range(600))]
    # The page's modules have no package.json beside them that would call them modules.
    for module in STATIC.glob("*.js"):
        shutil.copy(module, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "compare.js").write_text(SCRIPT)
    done = subprocess.run(
        [NODE, tmp_path / "compare.js", tmp_path], input=json.dumps(corpus), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    page = json.loads(done.stdout)

    reports = [build_report(**xcoms) for xcoms in corpus]
    for number, report in enumerate(reports):
        assert page["reports"][number] == report, number
        assert page["shown"][number] == describe(report), number
        assert page["bars"][number] == holding_bars(report), number
        assert page["curves"][number] == curve_shape(report), number
    fleet = build_fleet_report(reports)
    assert page["totals"] == fleet["totals"]
    assert page["fleet"] == describe_fleet(fleet)
