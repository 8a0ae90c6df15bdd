"""``ThreeCommasOperator``: wrong parameters are refused in the DAG file, replies are exact, nothing is sent twice."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG, dag, task

from airflow_provider_3commas.api import ConfigurationError, OutcomeUnknown
from airflow_provider_3commas.operators.api_request import ThreeCommasOperator
from airflow_provider_3commas.retry_policy import default_retry_policy
from tests.api.test_request_rules import ELSEWHERE, EVERY_ACCOUNT, SELLS

WRITE = {"endpoint": "/ver1/bots/1/disable", "method": "POST", "writes": True}


def operator(**parameters):
    return ThreeCommasOperator(task_id="ask", **{"endpoint": "/ver1/accounts", **parameters})


class TestInTheDagFile:
    @pytest.mark.parametrize(
        "parameters",
        [
            *({"endpoint": path} for path in [*SELLS, *EVERY_ACCOUNT, *ELSEWHERE, None]),
            {"method": "HEAD"},
            {"method": None},
            {"method": "POST"},
            {"method": "{{ m }}", "endpoint": "/ver1/../x"},
            {"writes": "True"},
            {"writes": None},
            {"query": "a=1"},
            {"query": [1]},
            {"query": {"a": 1.5}},
            {"query": {"_method": "{{ m }}"}},
            {"query": {"a": [1.5, 2]}},
        ],
    )
    def test_wrong_parameters_are_refused(self, parameters):
        with pytest.raises(ConfigurationError, match=r"Nothing was sent\."):
            operator(**parameters)

    @pytest.mark.parametrize(
        "parameters",
        [
            {},
            {"endpoint": "{{ var.value.endpoint }}"},
            {"endpoint": "/ver1/accounts/{{ id }}/pie_chart_data", "method": "POST"},
            {"endpoint": "{{ endpoint }}", "method": "POST"},
            {"query": "{{ query }}", "method": "{% if x %}GET{% endif %}"},
            {"query": {"a": "{{ a }}", "b": ["{{ b }}", Decimal("0.1")], "c": None}},
            {**WRITE, "retries": 0},
        ],
    )
    def test_templates_wait_for_the_run(self, parameters):
        operator(**parameters)

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_write_with_retries_is_refused_and_what_to_do_is_said(self, method):
        with pytest.raises(ConfigurationError, match=r"carry it out twice\. .* Set retries=0"):
            operator(**{**WRITE, "method": method}, retries=1)

    def test_also_where_the_dag_gives_it_retries(self):
        with DAG("d", schedule=None, default_args={"retries": 2}), pytest.raises(ConfigurationError, match="retries=2"):
            operator(**WRITE)

    def test_reads_may_be_retried_and_wait_as_long_as_3commas_says(self):
        assert type(operator(retries=3).retry_policy) is type(default_retry_policy())


class TestInTheRun:
    @pytest.fixture
    def simulator(self, simulate):
        return simulate("calm", speed=1)

    @pytest.fixture
    def requests(self, simulator):
        return lambda: [f"{entry['method']} {entry['path']}" for entry in simulator.journal()]

    def test_returns_the_reply_in_json_with_every_digit_and_no_credential(self, simulator):
        (account,) = operator().execute({})
        assert account["api_key"] == "***"
        assert json.loads(json.dumps(account)) == account
        row = operator(endpoint=f"/ver1/accounts/{simulator.account_id}/account_table_data", method="POST").execute({})[
            0
        ]
        assert not any(isinstance(value, float) for value in row.values())

    def test_a_write_is_sent_once_with_its_query(self, simulator, requests):
        bot = operator(endpoint="/ver1/bots", query={"account_id": simulator.account_id, "limit": 1}).execute({})[0]
        done = operator(**{**WRITE, "endpoint": f"/ver1/bots/{bot['id']}/disable"}).execute({})
        assert (done["is_enabled"], done["url_secret"]) == (False, "***")
        assert requests() == [
            f"GET /public/api/ver1/bots?account_id={simulator.account_id}&limit=1",
            f"POST /public/api/ver1/bots/{bot['id']}/disable",
        ]

    def test_a_lost_answer_fails_the_task_and_says_so(self, simulator, requests):
        simulator.fault("drop", path="/disable", when="after")
        with pytest.raises(OutcomeUnknown, match="look at the resource before sending it again"):
            operator(**WRITE).execute({})
        assert len(requests()) == 1

    @pytest.mark.parametrize(
        "rendered",
        [
            *({"endpoint": path} for path in [*SELLS, *EVERY_ACCOUNT, *ELSEWHERE]),
            {"method": "POST"},
            {"query": "None"},
            {"query": {"a b": 1}},
            {"writes": True, "retries": 1},
        ],
    )
    def test_what_templates_render_to_is_checked_before_anything_is_sent(self, rendered, requests):
        it = operator()
        for name, value in rendered.items():
            setattr(it, name, value)
        with pytest.raises(AirflowFailException, match=r"Nothing was sent\."):
            it.execute({})
        assert requests() == []

    def test_what_no_retry_can_cure_ends_the_task(self, simulator):
        with pytest.raises(AirflowFailException, match="404"):
            operator(endpoint="/ver1/accounts/999").execute({})

    @pytest.mark.airflow
    def test_a_dag_of_it_hands_the_reply_on(self, simulator, run_dag):
        @dag(schedule=None)
        def report():
            accounts = operator(
                threecommas_conn_id="{{ params.conn_id }}", query={"page": "{{ 0 + 1 }}", "per_page": Decimal(7)}
            )

            @task
            def total(found):
                return str(sum(Decimal(account["btc_amount"]) for account in found))

            total(accounts.output)

        made = report()
        made.params = {"conn_id": "threecommas_default"}
        run = run_dag(made)
        assert run.state == "success"
        assert Decimal(run.xcom("total")) > 0
        assert simulator.journal()[0]["path"].endswith("?page=1&per_page=7")

    @pytest.mark.airflow
    def test_mapped_over_endpoints_a_write_with_retries_sends_nothing(self, simulator, run_dag, requests):
        @dag(schedule=None)
        def mapped():
            ThreeCommasOperator.partial(task_id="ask", method="POST", writes=True, retries=1, retry_delay=0.1).expand(
                endpoint=["/ver1/bots/1/disable"]
            )

        assert run_dag(mapped()).state == "failed"
        assert requests() == []
