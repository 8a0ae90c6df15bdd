"""No path that ``run`` takes leads to a sell-all, to all accounts at once, or out of the API, however it is written."""

from __future__ import annotations

import re
from decimal import Decimal
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_3commas.api import ConfigurationError
from airflow_provider_3commas.api.request_rules import check_call, check_method, check_path, encode_params

SECRET = "s3cr3t-in-the-wrong-place"
SELLS = [
    "/ver1/accounts/1/sell_all_to_btc",
    "/ver1/accounts/1/sell_all_to_usd",
    "/ver1/accounts/1/sell_all_to_eur",
    "/ver1/accounts/1/SELL_ALL_TO_BTC",
    "/ver1/accounts/1/Sell_All_to_btc/",
    "ver1/accounts/1/sell%5fall_to_btc",
    "/ver1/accounts/1/sell%5Fall_to_btc",
    "/ver1/accounts/1/%73%65ll_all_to_btc",
    "/ver1/accounts/1/sell%255fall_to_btc",
    "/ver1/accounts/1/sell%25255fall_to_btc",
    "/ver1/accounts/1/./sell_all_to_btc",
    "/ver1/accounts/1/x/../sell_all_to_btc",
    "/ver1/accounts/1//sell_all_to_btc",
    "/ver1/accounts/1\\sell_all_to_btc",
    "/ver1/accounts/1/sell_all_to_btc?x=1",
    "/ver1/accounts/1/ｓｅｌｌ＿ａｌｌ_to_btc",  # noqa: RUF001  # what NFKC makes a sell-all of
    "/ver1/accounts/1/\N{LATIN SMALL LETTER LONG S}ell_all_to_btc",
    "/ver1/bots/1/panic_sell_all_deals",
    "https://api.3commas.io/public/api/ver1/accounts/1/sell_all_to_btc",
]
EVERY_ACCOUNT = [
    "/ver1/accounts/summary",
    "/ver1/accounts/SUMMARY/balance_chart_data",
    "/ver1/accounts/%73ummary/..",
    "/ver1/accounts/%2573ummary",
    "/ver1/accounts/summary?x=1",
    "/ver1/accounts\\summary\\pie_chart_data",
    "/ver1/accounts/ｓummary",  # noqa: RUF001
]
ELSEWHERE = [
    "",
    "/",
    "/ver1",
    "/ver1/",
    "ver1/accounts",
    "/ver1/accounts/",
    "//evil.example/ver1/accounts",
    "/ver1//accounts",
    "/ver1/../../admin",
    "/ver1/./accounts",
    "/ver1/accounts/..",
    "/ver1/%2e%2e/x",
    "/ver1/%2E./x",
    "/ver1/a%2fb",
    "/ver1/a%2Fb",
    "/ver1/a%5cb",
    "/ver1/a%00",
    "/ver1/a\\b",
    "/ver1/a?b=1",
    "/ver1/a#b",
    "/ver1/a;b",
    "/ver1/a b",
    " /ver1/a",
    "/ver1/a\n",
    "/ver1/a\r\nHost: evil.example",
    "/ver1/a\t",
    "/ver1/a\x00",
    "/ver1/\N{ZERO WIDTH SPACE}a",
    "/ver1/konto-grün",
    "/ver1/accounts/１２",  # noqa: RUF001
    "/ver1/accounts@evil.example",
    "http://127.0.0.1/ver1/accounts",
    f"https://user:{SECRET}@evil.example/ver1/accounts",
    f"/ver1/accounts/new?secret={SECRET}",
    "/public/api/ver1/accounts",
    "/admin/accounts",
    "/version1/accounts",
    f"/ver1/{'a' * 500}",
]


@pytest.mark.parametrize("path", SELLS)
def test_a_sell_all_is_refused_and_what_to_use_is_said(path):
    with pytest.raises(ConfigurationError, match=r"SellAllToBtcOperator .*ID/panic_sell .* Nothing was sent\."):
        check_path(path)


@pytest.mark.parametrize("path", EVERY_ACCOUNT)
def test_all_accounts_at_once_are_refused_and_what_to_use_is_said(path):
    with pytest.raises(ConfigurationError, match=r"id of one account.* GET /ver1/accounts lists them.* Nothing was"):
        check_path(path)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_what_could_lead_elsewhere_is_refused_without_quoting_it(path):
    with pytest.raises(ConfigurationError, match=r"such as /ver1/accounts .* Nothing was sent\.") as caught:
        check_path(path)
    assert SECRET not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("path", [None, 12, b"/ver1/accounts", ["/ver1/accounts"], True])
def test_a_path_is_a_text(path):
    with pytest.raises(ConfigurationError, match="must be a text"):
        check_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "/ver1/accounts",
        "/ver1/accounts/32402783/volume/daily",
        "/ver1/bots/summary_of_mine",
        "/v2/smart_trades/1/trades/2/close_by_market",
        "/ver1/trades/f89e3f34-1db1-47f2-81cc-9b4e5c50d7e1/cancel",
        "/ver1/deals/1/panic_sell",
    ],
)
def test_documented_paths_pass_as_they_are(path):
    assert check_path(path) == path


@given(st.one_of(st.text(max_size=60), st.from_regex(r"/ver1/[%a-z0-9_./]{0,40}", fullmatch=True)))
def test_what_passes_is_plain_and_below_the_prefix(path):
    try:
        check_path(path)
    except ConfigurationError:
        return
    assert re.fullmatch(r"/(ver|v)[0-9]+(/[A-Za-z0-9_-]+)+", path)
    assert unquote(path) == path
    assert "sell_all" not in path.lower()
    assert "summary" not in path.lower().split("/")


@pytest.mark.parametrize("method", ["GET", "post", "Patch", "PUT", "DELETE"])
def test_methods_in_any_case(method):
    assert check_method(method) == method.upper()


@pytest.mark.parametrize(
    "method", ["HEAD", "OPTIONS", "TRACE", "GET ", "", None, "po\N{LATIN SMALL LETTER LONG S}t", "GET\r\nX: y", b"GET"]
)
def test_other_methods_are_refused(method):
    with pytest.raises(ConfigurationError, match="method must be one of GET, POST, PUT, PATCH, DELETE"):
        check_method(method)


class TestWrites:
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_what_may_change_something_has_to_be_meant(self, method):
        with pytest.raises(ConfigurationError, match="pass writes=True"):
            check_call(method, "/ver1/bots/1/disable", None, writes=False)
        assert check_call(method, "/ver1/bots/1/disable", None, writes=True).writes

    @pytest.mark.parametrize("name", ["account_table_data", "load_balances", "pie_chart_data"])
    @pytest.mark.parametrize("writes", [True, False])
    def test_posts_that_are_documented_to_read_are_reads(self, name, writes):
        assert not check_call("POST", f"/ver1/accounts/12/{name}", None, writes=writes).writes

    @pytest.mark.parametrize(
        "path", ["/ver1/bots/12/load_balances", "/ver1/accounts/a/load_balances", "/v2/load_balances"]
    )
    def test_what_only_looks_like_one_is_not(self, path):
        with pytest.raises(ConfigurationError, match="writes=True"):
            check_call("POST", path, None, writes=False)

    def test_a_get_is_a_read_whatever_was_meant(self):
        assert not check_call("GET", "/ver1/bots", None, writes=True).writes

    @pytest.mark.parametrize("writes", ["False", "true", None, 1, 0])
    def test_it_is_a_bool(self, writes):
        with pytest.raises(ConfigurationError, match="writes must be True or False"):
            check_call("GET", "/ver1/bots", None, writes=writes)


class TestParameters:
    @pytest.mark.parametrize(
        ("value", "sent"),
        [
            ("text with blanks & signs", ["text with blanks & signs"]),
            ("", [""]),
            (100, ["100"]),
            (-1, ["-1"]),
            (True, ["true"]),
            (False, ["false"]),
            (None, []),
            (Decimal("1.50"), ["1.50"]),
            (Decimal("1E-10"), ["0.0000000001"]),
            (Decimal("1E+3"), ["1000"]),
            (Decimal("0.123456789012345678901234567890123456789"), ["0.123456789012345678901234567890123456789"]),
            ([1, 2], ["1,2"]),
            (("a", True, Decimal("0.10")), ["a,true,0.10"]),
        ],
    )
    def test_values_are_sent_as_documented(self, value, sent):
        assert encode_params({"name": value}) == [("name", text) for text in sent]

    def test_order_stays_and_lists_under_brackets_are_repeated(self):
        params = {"scope": "enable", "account_ids[]": [1, 2], "a": 1, "position[units][value]": Decimal("0.10")}
        assert encode_params(params) == [
            ("scope", "enable"),
            ("account_ids[]", "1"),
            ("account_ids[]", "2"),
            ("a", "1"),
            ("position[units][value]", "0.10"),
        ]
        assert encode_params(None) == encode_params({}) == []

    @pytest.mark.parametrize(
        "value",
        [
            1.5,
            float("nan"),
            Decimal("NaN"),
            Decimal("Infinity"),
            Decimal("1E+999999"),
            10**30,
            b"x",
            {"a": 1},
            [[1]],
            [None],
            [],
            ["a,b"],
            object(),
            "\ud800",
        ],
    )
    def test_others_are_refused(self, value):
        with pytest.raises(ConfigurationError, match=r"Nothing was sent\."):
            encode_params({"name": value})

    def test_an_empty_list_is_not_everything(self):
        with pytest.raises(ConfigurationError, match="None leaves the parameter out"):
            encode_params({"account_ids[]": []})

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "_method",
            "a b",
            "a&b",
            "a=b",
            "a#",
            "a?",
            "grün",
            "x/../sell",
            "a%5b",
            "[]",
            "a[b",
            "a\n",
            None,
            1,
            "x_Sell_All",
        ],
    )
    def test_names_are_names(self, name):
        with pytest.raises(ConfigurationError, match="names of parameters"):
            encode_params({name: "1"})

    @pytest.mark.parametrize("params", ["a=1", [("a", 1)], 1, b"a=1"])
    def test_they_are_a_dict(self, params):
        with pytest.raises(ConfigurationError, match="must be a dict"):
            encode_params(params)

    def test_no_message_quotes_a_value(self):
        for value in (SECRET.encode(), [SECRET, f"{SECRET},"], {"x": SECRET}, f"{SECRET}\ud800"):
            with pytest.raises(ConfigurationError) as caught:
                encode_params({"secret": value})
            assert SECRET not in str(caught.value)
