"""With ``DEV`` set, Airflow prints tracebacks with the values of every frame, and masks nothing in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.versions import AIRFLOW_VERSION

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

DAG_FILE = Path(__file__).parent / "dags" / "failing.py"
API_KEY, SECRET = "an-API-KEY-that-nobody-may-see", "a-SECRET-that-nobody-may-see"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n-----END PRIVATE KEY-----"
CONNECTIONS = {
    # Nothing listens at port 9.
    "refused": {"host": "http://127.0.0.1:9"},
    "blank": {"password": f"{SECRET} with a blank"},
    "pem": {"password": "", "extra": {"private_key": PEM}},
    "unencrypted": {"host": "http://api.3commas.io"},
    "budget": {"extra": {"budget_url": f"redis://:{SECRET}/x@cache.internal"}},
}


def test_tracebacks_that_show_values_show_no_secret(airflow_home: Path, tmp_path: Path) -> None:
    connections = {
        f"AIRFLOW_CONN_THREECOMMAS_{name.upper()}": json.dumps(
            {"conn_type": "threecommas", "login": API_KEY, "password": SECRET, **fields}
        )
        for name, fields in CONNECTIONS.items()
    }
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "dags", "test", "failing", "-f", str(DAG_FILE)],
        env={
            **os.environ,
            **connections,
            "AIRFLOW_HOME": str(airflow_home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAG_FILE.parent),
            "DEV": "1",
            "COLUMNS": "200",
        },
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    shown = done.stdout
    for says in ("was not sent: no connection", "holds blanks", "cannot be read", "unencrypted", "not a URL"):
        assert says in shown
    if AIRFLOW_VERSION >= (3, 3):
        assert "locals" in shown, "values are shown"
    # Parts of them, because long values are cut.
    for secret in (API_KEY[:12], SECRET[:12], "MIIEvQIBADAN"):
        assert secret not in shown
