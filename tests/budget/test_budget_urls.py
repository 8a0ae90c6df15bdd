"""A ``budget_url`` can be used or is refused, and whichever it is, nobody sees its password."""

from __future__ import annotations

import base64
import contextlib
import json
import logging

import pytest
from airflow.sdk import Connection
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_3commas.api import ConfigurationError, ThreeCommasError
from airflow_provider_3commas.budget import Reach, RequestBudget
from airflow_provider_3commas.budget.urls import REDIS_OPTIONS
from airflow_provider_3commas.hooks.connection import ConnectionFields
from tests.budget.budgets import REAL, SELL
from tests.requirements import require_module

#: Base64 of random bytes, and of what else means something in a URL.
PASSWORDS = st.one_of(
    st.binary(min_size=12, max_size=24).map(lambda raw: base64.b64encode(raw).decode()),
    st.text("aB3/#?@%:&=[]+", min_size=12, max_size=24),
)
FORMS = [
    "redis://:{}@127.0.0.1:1/0",
    "rediss://user:{}@127.0.0.1:1",
    "redis://{}@127.0.0.1:1",
    "redis://user:{}@",
    "redis://:{}@127.0.0.1:99999/0",
    "redis://127.0.0.1:1/0?password={}",
    "redis://127.0.0.1:1/0?db=1&password={}&client_name=x",
    "unix://:{}@/not/there.sock",
    "unix:///not/there.sock?password={}",
    "postgres://user:{}@127.0.0.1:1/db",
]


def pieces(text: str, length: int = 6) -> set[str]:
    return {text[start : start + length] for start in range(len(text) - length + 1)}


@pytest.mark.parametrize("form", FORMS)
@given(password=PASSWORDS)
def test_no_piece_of_a_password_is_in_a_message_and_all_of_it_is_masked(form, password):
    require_module("redis", extra="redis")
    url, shown = form.format(password), []
    # A piece that is in the form as well tells nothing.
    secret = pieces(password) - pieces(form)
    handler = logging.Handler()
    handler.emit = lambda record: shown.append(record.getMessage())
    logging.getLogger("airflow_provider_3commas").addHandler(handler)
    try:
        budget = RequestBudget("key", REAL, url=url)
        budget.reserve(SELL)
        shown.append(str(budget.status().store_error))
        budget.close()
    except ConfigurationError as error:
        shown.append(str(error))
    finally:
        logging.getLogger("airflow_provider_3commas").removeHandler(handler)
    assert shown
    assert not [text for text in shown if any(piece in text for piece in secret)]
    connection = Connection(
        conn_id="c",
        conn_type="threecommas",
        login="the-key",
        password="the-secret",
        extra=json.dumps({"budget_url": url}),
    )
    said = f"The store said: {password}"
    for form_of_secret in sorted(ConnectionFields.of(connection).secrets(), key=len, reverse=True):
        said = said.replace(form_of_secret, "***")
    assert not any(piece in said for piece in secret)


@given(url=st.text(max_size=40) | st.from_regex(r"(redis|rediss|unix|sqlite|memory)://[ -~]{0,30}", fullmatch=True))
def test_whatever_a_url_is_it_can_be_used_or_is_refused(url):
    with contextlib.suppress(ThreeCommasError):
        assert RequestBudget("key", REAL, url=url).reach


ODD_TEXTS = st.text(max_size=20) | st.from_regex(r"[ -~]{0,20}", fullmatch=True)


@given(
    name=ODD_TEXTS, option=st.sampled_from(REDIS_OPTIONS), value=ODD_TEXTS | st.integers().map(str), tls=st.booleans()
)
def test_whatever_can_be_used_admits_a_request_at_once(tmp_path_factory, name, option, value, tls):
    require_module("redis", extra="redis")
    directory = tmp_path_factory.getbasetemp() / "odd"
    for url in (
        f"sqlite:///{directory}/{name.replace('..', '')}",
        f"unix://{directory}/not-there?{option}={value}",
        f"{'rediss' if tls else 'redis'}://127.0.0.1:1/0?{option}={value}",
    ):
        with contextlib.suppress(ThreeCommasError):
            budget = RequestBudget("key", REAL, url=url, requests_per_minute=10_000)
            assert budget.reserve(SELL).granted
            budget.close()


@pytest.mark.parametrize("url", [7, ["redis://localhost"], {"url": "redis://localhost"}, True])
def test_what_is_no_text_is_refused(url):
    with pytest.raises(ConfigurationError, match=r"budget_url \(not a URL\) cannot be used"):
        RequestBudget("key", REAL, url=url)


@pytest.mark.parametrize(
    "option",
    [
        "decode_responses=True",
        "retry=x",
        "encoding=nope",
        "event_dispatcher=x",
        "cache_config=x",
        "maint_notifications_config=x",
        "socket_timeout=100000",
        "max_connections=0",
        "colour=blue",
        "colour",
        "db=1&colour=blue",
    ],
)
def test_an_option_that_is_not_for_a_budget_is_refused_and_those_that_are_named(option):
    with pytest.raises(ConfigurationError, match="Expected none, or some of client_name, db, ") as refused:
        RequestBudget("key", REAL, url=f"redis://:secret@localhost/0?{option}")
    assert "redis://localhost has an option" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////tmp/a\0b",
        "sqlite:////tmp/a%00b",
        "sqlite:////tmp/a%0Ab",
        "unix://user:secret@host/socket",
        "redis://127.0.0.1%2F:6379",
        "redis://:secret@127.0.0.1\n:6379",
        "redis://127.0.0.1/0#secret",
    ],
)
def test_what_two_programs_read_in_two_ways_is_refused(url):
    with pytest.raises(ConfigurationError, match="budget_url") as refused:
        RequestBudget("key", REAL, url=url)
    assert "secret" not in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@cache.internal:6379/database", "redis://cache.internal:6379 "),
        ("redis://:secret@[2001:db8::1]:6379/database", "redis://[2001:db8::1]:6379 "),
        ("redis://:7/secret@cache.internal:6379/0", "(not a URL) "),
        ("redis://secret/x@host", "(not a URL) "),
        ("sqlite:///relative.sqlite", "sqlite:///relative.sqlite "),
    ],
)
def test_a_message_names_scheme_host_and_port_or_the_file(url, shown):
    with pytest.raises(ConfigurationError) as refused:
        RequestBudget("key", REAL, url=url)
    assert f"budget_url {shown}" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_name_that_redis_decodes_does_not_pass_for_another_machine():
    assert RequestBudget("key", REAL, url="redis://127.0.0.1").reach is Reach.MACHINE
    with pytest.raises(ConfigurationError):
        RequestBudget("key", REAL, url="redis://%6cocalhost")


def test_the_default_user_of_redis_is_a_word_that_stays_in_logs():
    extra = json.dumps({"budget_url": "redis://default@localhost"})
    assert (
        "default"
        not in ConnectionFields.of(
            Connection(conn_id="c", conn_type="threecommas", login="the-key", password="the-secret", extra=extra)
        ).secrets()
    )
