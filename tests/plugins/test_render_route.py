"""The route that renders XComs: for users of Airflow only, from nothing but the request, and of limited size."""

from __future__ import annotations

import ast
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_3commas.plugins import pages
from airflow_provider_3commas.report import build_fleet_report, build_report, view
from airflow_provider_3commas.report.charts import curve_shape, holdings_shape
from airflow_provider_3commas.report.texts import describe, describe_fleet
from tests.report.samples import BEFORE, COMPLETE, damaged

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def client_of(monkeypatch: pytest.MonkeyPatch, get_user: Any) -> TestClient:
    """Return a client of the pages in an Airflow that checks users in this way."""
    from airflow.api_fastapi.core_api import security
    from starlette.testclient import TestClient

    monkeypatch.setattr(security, "get_user", get_user)
    return TestClient(pages.build_pages())


@pytest.fixture
def client(monkeypatch):
    return client_of(monkeypatch, object)


def test_airflows_own_check_decides_who_gets_an_answer(monkeypatch):
    from starlette.exceptions import HTTPException

    def nobody() -> None:
        raise HTTPException(401, "Not authenticated")

    body = json.dumps({"accounts": [COMPLETE]})
    assert client_of(monkeypatch, nobody).post("/report", content=body).status_code == 401
    assert client_of(monkeypatch, object).post("/report", content=body).status_code == 200


def test_without_a_cookie_or_a_token_airflow_knows_nobody():
    from starlette.testclient import TestClient

    reply = TestClient(pages.build_pages()).post("/report", json={"accounts": [COMPLETE]})
    assert (reply.status_code, reply.json()) == (401, {"detail": "Not authenticated"})


def test_where_airflow_has_no_such_check_everybody_is_refused(monkeypatch):
    from starlette.testclient import TestClient

    monkeypatch.setitem(sys.modules, "airflow.api_fastapi.core_api.security", None)
    reply = TestClient(pages.build_pages()).post("/report", json={"accounts": [COMPLETE]})
    assert reply.status_code == 501


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_route_answers_nothing_but_post(client, method):
    assert client.request(method, "/report").status_code in (404, 405)


def test_answer_is_what_the_report_says(client):
    reply = client.post("/report", json={"accounts": [COMPLETE]})
    report = build_report(**COMPLETE)

    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    (account,) = reply.json()["accounts"]
    assert account["texts"] == describe(report)
    assert account["holdings"] == holdings_shape(report)
    assert account["curve"] == curve_shape(report)
    assert account["settled"] is True


def test_fleet_is_the_same_whether_sent_at_once_or_in_parts(client):
    corpus = [COMPLETE, *(damaged(seed) for seed in range(40))]
    whole = client.post("/report", content=json.dumps({"accounts": corpus})).json()
    first = client.post("/report", content=json.dumps({"accounts": corpus[:30]})).json()
    others = [account["part"] for account in first["accounts"]]
    second = client.post("/report", content=json.dumps({"accounts": corpus[30:], "others": others})).json()

    expected = describe_fleet(build_fleet_report(build_report(**xcoms) for xcoms in corpus))
    assert [account["row"] for account in whole["accounts"]] == expected.pop("rows")
    assert whole["fleet"] == second["fleet"] == expected
    assert first["accounts"] + second["accounts"] == whole["accounts"]


def test_half_a_character_in_a_name_breaks_nothing(client):
    body = json.dumps({"accounts": [{**COMPLETE, "holdings_before": {**BEFORE, "account_name": "Main \ud83d"}}]})
    reply = client.post("/report", content=body)

    assert reply.content.isascii()
    assert reply.json()["accounts"][0]["texts"]["title"] == "Main \ufffd"


@pytest.mark.parametrize("body", ["", "{", "[" * 100_000, "\xff", "1" * 5000])
def test_what_is_not_json_is_refused(client, body):
    assert client.post("/report", content=body.encode("latin-1")).status_code == 400


@pytest.mark.parametrize(
    "request_body",
    [None, 7, "x", [], {}, {"accounts": 7}, {"accounts": {}, "others": "x"}, {"accounts": []}],
)
def test_request_without_accounts_has_no_accounts_in_its_answer(client, request_body):
    reply = client.post("/report", content=json.dumps(request_body))
    assert (reply.status_code, reply.json()["accounts"]) == (200, [])
    assert reply.json()["fleet"]["headline"] == "0 of 0 accounts settled."


@pytest.mark.parametrize("account", [None, 7, [], {"liquidation_state": []}, {"liquidation_state": 7}, {"x": 1}])
def test_malformed_account_is_unknown(client, account):
    reply = client.post("/report", json={"accounts": [account], "others": [account]})
    assert reply.json()["fleet"]["statuses"] == "2 unknown"


def test_endless_body_is_not_read_to_its_end():
    from starlette.exceptions import HTTPException
    from starlette.requests import Request

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b" " * 100_000, "more_body": True}

    with pytest.raises(HTTPException) as refused:
        asyncio.run(pages._report(Request({"type": "http", "method": "POST", "headers": []}, receive)))
    assert refused.value.status_code == 413


def test_what_is_too_large_is_refused(client):
    largest = json.dumps({"accounts": [COMPLETE]})
    assert client.post("/report", content=largest.ljust(pages.MOST_BYTES)).status_code == 200
    assert client.post("/report", content=largest.ljust(pages.MOST_BYTES + 1)).status_code == 413
    assert client.post("/report", json={"accounts": [{}] * (pages.MOST_ACCOUNTS + 1)}).status_code == 413


def test_page_sends_less_at_a_time_than_the_route_takes():
    source = (Path(pages.__file__).parent / "static" / "rendered.js").read_text(encoding="utf-8")
    sent = {
        name: int(number.replace("_", ""))
        for name, number in (
            line.removeprefix("const ").rstrip(";").split(" = ") for line in source.splitlines() if "const MOST" in line
        )
    }
    # Beside the accounts that changed, the parts of a thousand others go along, half a kilobyte each.
    assert sent["MOST_BYTES"] + 500_000 < pages.MOST_BYTES
    assert sent["MOST_ACCOUNTS"] <= pages.MOST_ACCOUNTS


def test_parts_of_accounts_are_as_small_as_that():
    part = view.render({"accounts": [COMPLETE]})["accounts"][0]["part"]
    assert len(json.dumps(part)) < 500


def test_nothing_that_the_route_is_made_of_can_read_data():
    """No database, no hook, no files but the page's: the imports of all that takes part."""
    package = Path(pages.__file__).parents[1]
    imported = set()
    for file in (Path(pages.__file__), *(package / "report").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                imported.add(str(node.module))
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
    airflows = {name for name in imported if name.partition(".")[0] == "airflow"}
    ours = {".".join(name.split(".")[1:2]) for name in imported if name.startswith("airflow_provider_3commas.")}
    assert airflows == {"airflow.api_fastapi.core_api.security"}
    assert ours <= {"report", "currency_codes", "dust", "in_words", "money", "printable", "targets"}


def test_sort_keys_are_as_exact_as_what_is_shown():
    (account,) = view.render({"accounts": [COMPLETE]})["accounts"]
    assert account["sort"] == {
        "title": "main",
        "status": "3",
        "before": "100000000",
        "after": "99804000",
        "unsold": "4000",
        "slippage": "-3267",
        "time": "1250",
    }
    (unknown,) = view.render({"accounts": [{}]})["accounts"]
    assert {name for name, key in unknown["sort"].items() if key is None} == {
        "before", "after", "unsold", "slippage", "time"
    }  # fmt: skip
