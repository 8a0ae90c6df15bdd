"""The tab's files: what is served, with which headers, and what Airflow pays for knowing about them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_3commas.plugins
from airflow_provider_3commas import xcom_keys
from airflow_provider_3commas.plugins import liquidation_tab

STATIC = Path(airflow_provider_3commas.plugins.__file__).parent / "static"


@pytest.fixture
def client():
    """Mount the pages as Airflow does."""
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    application = Starlette()
    (app,) = liquidation_tab.ThreeCommasPlugin.fastapi_apps
    application.mount(app["url_prefix"], app["app"])
    with TestClient(application) as client:
        yield client


def page_address() -> str:
    return "/" + liquidation_tab.ThreeCommasPlugin.external_views[0]["href"].partition("?")[0]


def test_page_and_everything_it_asks_for_is_served(client):
    page = client.get(page_address())
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")

    names = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    for module in STATIC.glob("*.js"):
        names += re.findall(r'from "\./([^"]+)"', module.read_text(encoding="utf-8"))
    assert {"page.js", "report.css", "rendered.js"} <= set(names)
    for name in names:
        reply = client.get(f"/threecommas/{name}")
        assert reply.status_code == 200, name
        kind = "text/javascript" if name.endswith(".js") else "text/css"
        assert reply.headers["content-type"].startswith(kind), name


def test_headers_let_the_page_do_nothing_but_its_job(client):
    headers = client.get(page_address()).headers
    policy = dict(rule.strip().partition(" ")[::2] for rule in headers["content-security-policy"].split(";"))

    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "frame-ancestors")} == {"'self'"}
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert client.get("/threecommas/page.js").headers["content-security-policy"]


def test_unchanged_files_are_not_sent_again(client):
    first = client.get("/threecommas/page.js")
    again = client.get("/threecommas/page.js", headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["cache-control"] == "no-cache"
    assert again.status_code == 304


@pytest.mark.parametrize("ranges", ["0-1", "-1", "x", "0-0," * 5000, "0" * 20_000], ids=lambda ranges: ranges[:4])
def test_parts_of_a_file_are_not_served(client, ranges):
    # Without a login, before Starlette 0.49.1 and with what Airflow 3.1 comes with, they cost a second and more.
    whole = client.get("/threecommas/page.js")
    answer = client.get("/threecommas/page.js", headers={"Range": f"bytes={ranges}", "If-Range": whole.headers["etag"]})
    assert (answer.status_code, answer.content) == (200, whole.content)


@pytest.mark.parametrize(
    "path",
    [
        "", "x", "pages.py", "../pages.py", "..%2fpages.py", "%2e%2e/pages.py", "static/page.js", "report.py",
        "../report/build.py", "/etc/passwd", "liquidation", "api", "docs", "openapi.json", "liquidation.html/x",
        "LIQUIDATION.HTML", "report/",
    ],
)  # fmt: skip
def test_nothing_else_is_served(client, path):
    assert client.get(f"/threecommas/{path}").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_sent(client, method):
    assert client.request(method, page_address()).status_code == 405


@pytest.mark.parametrize("file", sorted(STATIC.iterdir()), ids=lambda file: file.name)
def test_no_markup_is_made_of_text_and_no_address_is_absolute(file):
    text = file.read_text(encoding="utf-8")

    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser", text
    )
    assert not re.search(r"style=|\son\w+=", text)
    # Behind a prefix, what begins with a slash is somebody else's.
    assert not re.search(r"""(?:href|src)="/|["'`]/(?:api|threecommas)""", text)
    assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}


def test_tab_asks_for_the_xcoms_that_the_tasks_push():
    source = (STATIC / "run.js").read_text(encoding="utf-8")
    (keys,) = re.findall(r"^const KEYS = \{(.*?)\};", source, re.DOTALL | re.MULTILINE)

    assert dict(re.findall(r'(\w+): "(\w+)"', keys)) == {
        "liquidation": xcom_keys.OUTCOME_KEY,
        "holdings_before": xcom_keys.HOLDINGS_KEY,
        "history": xcom_keys.HISTORY_KEY,
        "facts": xcom_keys.FACTS_KEY,
    }


def test_views_are_a_tab_of_run_and_task_with_relative_addresses():
    run, task = liquidation_tab.ThreeCommasPlugin.external_views

    assert (run["destination"], task["destination"]) == ("dag_run", "task_instance")
    assert {run["name"], task["name"]} == {"Liquidation"}
    assert run["url_route"] != task["url_route"]
    assert run["href"] == "threecommas/liquidation.html?dag_id={DAG_ID}&run_id={RUN_ID}"
    assert task["href"] == run["href"] + "&task_id={TASK_ID}&map_index={MAP_INDEX}"


def test_entry_point_leads_to_the_plugin():
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    value = project["entry-points"]["airflow.plugins"]["threecommas"]
    assert value == f"{liquidation_tab.__name__}:{liquidation_tab.ThreeCommasPlugin.__name__}"


def test_plugin_costs_airflow_next_to_nothing():
    """Every Airflow process imports every plugin; only an API server serves pages."""
    script = (
        "import airflow.plugins_manager, sys, json; before = set(sys.modules)\n"
        "import airflow_provider_3commas.plugins.liquidation_tab\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert set(json.loads(done.stdout.splitlines()[-1])) <= {
        "airflow_provider_3commas",
        "airflow_provider_3commas.plugins",
        "airflow_provider_3commas.plugins.liquidation_tab",
    }


def test_airflow_accepts_the_plugin(monkeypatch):
    from airflow import plugins_manager

    plugin = liquidation_tab.ThreeCommasPlugin()
    plugin.validate()
    assert plugin.name == "threecommas"
    assert all(not app["url_prefix"].startswith(("/api", "/ui", "/auth", "/execution")) for app in plugin.fastapi_apps)
    assert issubclass(liquidation_tab.ThreeCommasPlugin, plugins_manager.AirflowPlugin)
