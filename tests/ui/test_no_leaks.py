"""After everything else: no script of ours has complained, and no secret is in a page, a reply, a log or the database.

Runs together with the other tests of this folder: it looks at what they have left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.ui.example_runs import ACCOUNT

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator import Simulator
    from local_airflow.example_airflow import ExampleAirflow
    from tests.ui.browser import BrowserRecord, BrowserUser
    from tests.ui.inputs import ApiKeys


def test_no_script_ran_and_nothing_complained(record: BrowserRecord) -> None:
    assert len(record.pages) > 20
    assert not record.violations


def test_no_secret_was_in_a_page_or_a_reply(
    admin: BrowserUser, record: BrowserRecord, simulator: Simulator, api_keys: ApiKeys
) -> None:
    again = [
        (url, reply.text())
        for url in dict.fromkeys(record.unread)
        if "/api/" in url or "/ui/" in url
        if (reply := admin.context.request.get(url)).status != 405
    ]
    assert len([url for url, _ in record.received if "/api/v2/" in url]) > 50
    everything = [*record.received, *record.pages, *again]
    # What is looked for would be found.
    assert [text for _, text in everything if api_keys.lines in text]
    secrets = api_keys.secret_texts(simulator.secret)
    assert not [(url, secret) for url, text in everything for secret in secrets if secret in text]


def test_no_secret_is_in_a_log_or_in_the_database(
    airflow: ExampleAirflow, simulator: Simulator, api_keys: ApiKeys
) -> None:
    files = {path: path.read_bytes() for path in airflow.home.rglob("*") if path.is_file()}
    logs = {path: text for path, text in files.items() if path.suffix == ".log"}
    assert len(logs) >= 20
    assert [path for path, text in logs.items() if str(ACCOUNT).encode() in text]
    secrets = api_keys.secret_texts(simulator.secret)
    assert not [(path, secret) for path, text in files.items() for secret in secrets if secret.encode() in text]
    # Airflow shows the API key, the login, in its form; it is in no log all the same.
    logins = (simulator.api_key, api_keys.lines, api_keys.password)
    assert not [(path, key) for path, text in logs.items() for key in logins if key.encode() in text]
