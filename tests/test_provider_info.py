"""What Airflow is told about the provider is true, complete and cheap."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import airflow
import jsonschema
import pytest

from airflow_provider_3commas import __version__, provider_info
from airflow_provider_3commas.hooks.connection import EXTRA_KEYS, ConnectionFields, client_from
from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook
from tests.versions import AIRFLOW_VERSION

INFO = provider_info.get_provider_info()
(CONNECTION,) = INFO["connection-types"]
#: Before 3.2 the fields of the form and the commands are ignored.
SINCE_3_2 = AIRFLOW_VERSION >= (3, 2)


def resolve(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_airflow_has_found_the_provider():
    from airflow.providers_manager import ProvidersManager

    provider = ProvidersManager().providers["airflow-provider-3commas"]
    assert provider.data.items() >= INFO.items()
    assert provider.version == __version__


def airflows_schema(name):
    return json.loads((Path(airflow.__file__).parent / name).read_text())


def test_keeps_to_airflows_schema():
    jsonschema.validate(INFO, airflows_schema("provider_info.schema.json"))


@pytest.mark.skipif(not SINCE_3_2, reason="forms from metadata since Airflow 3.2")
def test_form_keeps_to_airflows_schema():
    # The one for providers in Airflow's own repository knows what may be in a form.
    schema = airflows_schema("provider.yaml.schema.json")
    jsonschema.validate(INFO["connection-types"], schema["properties"]["connection-types"])


def test_everything_named_is_there():
    for kind in ("hooks", "operators", "sensors", "triggers"):
        for entry in INFO[kind]:
            for module in entry["python-modules"]:
                importlib.import_module(module)
    for path in [*INFO["extra-links"], *INFO["cli"], *(uris["handler"] for uris in INFO["asset-uris"])]:
        assert callable(resolve(path))
    assert resolve(CONNECTION["hook-class-name"]) is ThreeCommasHook
    assert (CONNECTION["connection-type"], CONNECTION["hook-name"]) == (
        ThreeCommasHook.conn_type,
        ThreeCommasHook.hook_name,
    )


def test_every_module_of_a_kind_is_named():
    package = Path(provider_info.__file__).parent
    for kind, base in (("hooks", "BaseHook"), ("operators", "BaseOperator"), ("sensors", "BaseSensorOperator")):
        named = {module.rpartition(".")[2] for entry in INFO[kind] for module in entry["python-modules"]}
        defining = {
            file.stem
            for file in (package / kind).glob("*.py")
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.ClassDef) and base in {getattr(parent, "id", "") for parent in node.bases}
        }
        assert named == defining


@pytest.mark.parametrize(
    "path",
    [
        "airflow_provider_3commas.operators.sell_all.SellAllToBtcOperator",
        "airflow_provider_3commas.operators.sell_all.SellAllToUsdOperator",
        "airflow_provider_3commas.sensors.balances.BalancesSettledSensor",
    ],
)
class TestLinks:
    def test_links_of_the_operators_are_named(self, path):
        (link,) = resolve(path).operator_extra_links
        assert f"{type(link).__module__}.{type(link).__qualname__}" in INFO["extra-links"]

    def test_button_leads_to_the_account(self, path):
        task = resolve(path)(task_id="t", account_id=32402783)
        (link,) = task.operator_extra_links
        assert link.name == "3Commas account"
        assert link.get_link(task, ti_key=None) == "https://3commas.io/accounts/32402783"

    @pytest.mark.parametrize("mapped", [False, True])
    def test_button_survives_serialization(self, path, mapped):
        from airflow.sdk import DAG
        from airflow.serialization import serialized_objects

        # Named otherwise before 3.2.
        serializer = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
        with DAG("links", schedule=None) as dag:
            operator = resolve(path)
            if mapped:
                operator.partial(task_id="t").expand(account_id=[1, 2])
            else:
                operator(task_id="t", account_id=1)
        stored = json.loads(json.dumps(serializer.to_dict(dag)))
        task = serializer.from_dict(stored).get_task("t")
        assert task.is_mapped is mapped
        assert task.extra_links == ["3Commas account"]


def test_imports_nothing_heavy():
    script = (
        f"import sys; sys.path[:0] = {sys.path}\n"
        "from airflow_provider_3commas.provider_info import get_provider_info; get_provider_info()\n"
        "print(*(name for name in sys.modules if name.partition('.')[0] not in sys.stdlib_module_names))\n"
    )
    # Without site, which would import what other packages want to have at every start.
    done = subprocess.run([sys.executable, "-S", "-c", script], check=True, capture_output=True, text=True)
    modules = set(done.stdout.split()) - {"__main__"}
    assert modules == {"airflow_provider_3commas", "airflow_provider_3commas.provider_info"}


class TestForm:
    FIELDS = CONNECTION["conn-fields"]

    def test_has_every_extra_and_nothing_else(self):
        assert set(self.FIELDS) == EXTRA_KEYS

    def test_every_field_has_words(self):
        for field in self.FIELDS.values():
            assert set(field) == {"label", "description", "schema"}
            assert field["label"] != field["description"]

    def test_no_field_is_required(self):
        """A form with only key and secret can be saved."""
        assert all("null" in field["schema"]["type"] for field in self.FIELDS.values())

    def test_default_is_the_hooks_default(self):
        assert self.FIELDS["mode"]["schema"]["default"] == "real"
        assert [name for name, field in self.FIELDS.items() if "default" in field["schema"]] == ["mode"]

    @pytest.mark.skipif(not SINCE_3_2, reason="forms from metadata since Airflow 3.2")
    def test_secrets_have_names_that_airflow_masks(self):
        from airflow.sdk.log import redact

        shown = redact({"private_key": "-----BEGIN PRIVATE KEY-----", "mode": "real", "password": "hunter22"})
        assert shown == {"private_key": "***", "mode": "real", "password": "***"}

    @pytest.mark.parametrize(
        ("airflow_version", "hidden"),
        [("3.2.2", True), ("3.3.0", True), ("3.3.1", False), ("3.3.2", False), ("3.3.3", True), ("4.0.0", True)],
    )
    def test_port_is_asked_for_only_where_the_test_button_needs_one(self, monkeypatch, airflow_version, hidden):
        monkeypatch.setattr(provider_info, "_airflow_version", lambda: airflow_version)
        (connection,) = provider_info.get_provider_info()["connection-types"]
        assert ("port" in connection["ui-field-behaviour"]["hidden-fields"]) is hidden

    def test_port_of_the_form_leads_nowhere(self):
        from airflow.sdk import Connection

        for host, address in ((None, "https://api.3commas.io"), ("http://127.0.0.1:8099", "http://127.0.0.1:8099")):
            connection = Connection(
                conn_id="tc", conn_type="threecommas", host=host, port=0, login="key", password="secret"
            )
            assert client_from(ConnectionFields.of(connection)).base_url == address

    @pytest.mark.skipif(not SINCE_3_2, reason="forms from metadata since Airflow 3.2")
    def test_airflow_makes_the_form_of_it_without_the_hook(self):
        from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

        (form,) = [form for form in HookMetaService.hook_meta_data() if form.connection_type == "threecommas"]
        assert form.hook_name == "3Commas"
        assert set(form.extra_fields) == EXTRA_KEYS
        assert form.extra_fields["private_key"]["schema"]["format"] == "multiline"
        assert form.extra_fields["mode"]["schema"]["enum"] == ["real", "paper"]
        assert form.standard_fields.url_schema.hidden
        assert not form.standard_fields.login.hidden
        assert form.standard_fields.login.title == "API key"
        assert form.standard_fields.host.placeholder.startswith("empty for https://api.3commas.io")
