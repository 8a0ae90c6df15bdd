"""What the tests of the connection test share."""

from __future__ import annotations

import json

from airflow.sdk import Connection
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from airflow_provider_3commas.hooks import connection_check
from airflow_provider_3commas.hooks.connection import ConnectionFields
from tests.conftest import connection_to

#: Longer than the simulator's own, so that no text holds it by chance.
SECRET = "a-secret-of-which-nothing-may-be-shown"


def connection(simulator, *, extra=None, **fields):
    value = {**connection_to(simulator, **{"requests_per_minute": 10_000, **(extra or {})}), **fields}
    return Connection(conn_id="c", **{**value, "extra": json.dumps(value["extra"])})


def asked(simulator):
    return [(entry["method"], entry["path"]) for entry in simulator.journal()]


def rsa_pem(key: rsa.RSAPrivateKey | None = None) -> str:
    key = key or rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def assert_shows_no_secret(message, tested):
    extra = tested.extra_dejson
    for field in (tested.login, tested.password, extra.get("private_key")):
        for line in (field or "").splitlines():
            assert line not in message


def diagnose(tested):
    """Test a connection of Airflow's."""
    return connection_check.diagnose(ConnectionFields.of(tested))
