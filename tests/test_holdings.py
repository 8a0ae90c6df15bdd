"""What an account holds: no row is lost, nothing unknown counts as zero, and one rule says whether rows add up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_3commas.api.balance_rows import decode_balance_rows
from airflow_provider_3commas.holdings import account_problem, describe_unknown, mismatch, sum_rows, unknown_key_state
from tests.fakes import row


class TestHold:
    def test_adds_rows_of_one_coin_up_whatever_the_case(self):
        holdings = sum_rows([row("eth", "1", "0.04", usd_value="2400"), row(" ETH", "0.5", "0.02", usd_value="1200")])
        assert list(holdings) == ["ETH"]
        eth = holdings["ETH"]
        assert (eth.amount, eth.btc_value, eth.usd_value) == (Decimal("1.5"), Decimal("0.06"), Decimal(3600))
        assert (eth.assets_btc, eth.debt_btc, eth.price) == (Decimal("0.06"), 0, Decimal("0.04"))

    def test_a_short_position_is_a_debt_that_no_asset_hides(self):
        eth = sum_rows([row("ETH", "1", "0.04"), row("ETH", "-1", "-0.04")])["ETH"]
        assert (eth.amount, eth.btc_value, eth.assets_btc, eth.debt_btc) == (0, 0, Decimal("0.04"), Decimal("0.04"))

    def test_what_can_not_be_read_is_named(self):
        (odd,) = decode_balance_rows(b'[{"currency_code": null, "position": "3", "btc_value": "", "on_orders": 0}]')
        held = sum_rows([odd])["?"]
        assert describe_unknown(held) == "? without btc_value and currency_code"

    def test_a_coin_without_a_name_is_never_known(self):
        assert sum_rows([row("?", "1", "0.5")])["?"].unknown == ["currency_code"]

    @pytest.mark.parametrize(
        ("rows", "worth"),
        [
            ([row("ETH", "2", "0.09", on_orders="1")], "0.045"),
            ([row("ETH", "2", "0.09")], "0"),
            ([row("ETH", "2", "0", on_orders="1")], "0"),
            ([row("ETH", "2", None, on_orders="1")], None),
            ([row("ETH", "0", "0", on_orders="1")], None),
            ([row("ETH", "1", "0.04", on_orders="1"), row("ETH", "-1", "-0.04")], "0.04"),
            ([row("ETH", "0", "0", on_orders="1", current_price="0.04")], "0.04"),
            ([row("ETH", "30", "1.5", on_orders=None, position_available="0")], "1.5"),
        ],
    )
    def test_the_value_on_orders_is_known_or_none(self, rows, worth):
        assert sum_rows(rows)["ETH"].orders_btc == (None if worth is None else Decimal(worth))


class TestMismatch:
    @pytest.mark.parametrize(
        ("total", "adds_up"), [("10.1", True), ("10.1001", True), ("10.1011", True), ("10.1012", False), ("10", False)]
    )
    def test_btc_is_worth_the_same_in_both_replies(self, total, adds_up):
        holdings = sum_rows([row("BTC", "10"), row("ETH", "2.3", "0.1")])
        assert (mismatch(holdings, {"btc_amount": total}) is None) is adds_up

    def test_without_a_total_nothing_adds_up(self):
        assert mismatch(sum_rows([row("BTC", "1")]), {"btc_amount": None}) == "the account's btc_amount is missing"
        assert "empty, but the account is worth 1.5" in mismatch({}, {"btc_amount": "1.5"})
        assert mismatch({}, {"btc_amount": "0"}) is None

    @pytest.mark.parametrize(
        ("usd", "adds_up"), [("60000", True), ("60100", True), ("59900", True), ("60540", False), ("59460", False)]
    )
    def test_dollars_are_worth_nearly_the_same_in_both_replies(self, usd, adds_up):
        # In BTC the two differ by the price that has moved in between, by 0.5 %.
        holdings = sum_rows(
            [row("USDT", "50000", "0.8", usd_value="50000"), row("USDC", "10000", "0.16", usd_value="10000")]
        )
        account = {"btc_amount": "0.9648", "usd_amount": usd}
        assert (mismatch(holdings, account) is None) is adds_up

    def test_a_dollar_account_that_does_not_add_up_says_so_in_dollars(self):
        holdings = sum_rows([row("USDT", "60000", "0.96", usd_value="60000")])
        problem = mismatch(holdings, {"btc_amount": "0.9686", "usd_amount": "60540"})
        assert problem == "the balances add up to 60000.00 USD of the account's 60540.00 USD"

    def test_dollars_are_compared_in_btc_where_a_value_in_dollars_is_missing(self):
        holdings = sum_rows([row("USDT", "60000", "0.96", usd_value="60000"), row("ETH", "1", "0.04")])
        assert mismatch(holdings, {"btc_amount": "1", "usd_amount": "70000"}) is None
        dollars = sum_rows([row("USDT", "60000", "0.96", usd_value="60000")])
        assert mismatch(dollars, {"btc_amount": "0.96", "usd_amount": None}) is None
        assert mismatch(dollars, {"btc_amount": "0.98", "usd_amount": None}) is not None

    def test_what_is_not_in_dollars_may_move_in_price(self):
        holdings = sum_rows(
            [row("USDT", "30000", "0.5", usd_value="30000"), row("ETH", "10", "0.4", usd_value="24000")]
        )
        assert mismatch(holdings, {"btc_amount": "0.904", "usd_amount": "54240"}) is None
        assert mismatch(holdings, {"btc_amount": "0.91", "usd_amount": "54400"}) is not None

    def test_tolerance_can_be_none(self):
        holdings = sum_rows([row("BTC", "10", usd_value="600000")])
        account = {"btc_amount": "10", "usd_amount": "601000"}
        assert mismatch(holdings, account, view_tolerance=Decimal(0)) is None

    @given(
        dollars=st.integers(1_000, 10_000_000),
        btc=st.decimals("0", "0.5", places=4),
        missing=st.decimals("0.004", "0.9", places=3),
    )
    def test_a_missing_row_is_always_missed(self, dollars, btc, missing):
        # BTC at 60,000 USD, and less BTC than dollars; what is missing is worth at least 0.4 % of the whole.
        btc *= Decimal(dollars) / 60_000
        usd = dollars + btc * 60_000
        absent = usd * missing / (1 - missing)
        holdings = sum_rows(
            [
                row("USDT", str(dollars), str(Decimal(dollars) / 60_000), usd_value=str(dollars)),
                row("BTC", str(btc), usd_value=str(btc * 60_000)),
            ]
        )
        whole = usd + absent
        problem = mismatch(holdings, {"btc_amount": str(whole / 60_000), "usd_amount": str(whole)})
        allowed = 6 + Decimal("0.002") * dollars + Decimal("0.01") * (whole - dollars)
        assert (problem is None) is (absent <= allowed)


class TestAccountProblem:
    @pytest.mark.parametrize(
        ("account", "why"),
        [
            ({"is_locked": True, "lock_reason": "unpaid"}, "locked it (unpaid)"),
            ({"is_locked": True}, "no reason given"),
            ({"api_key_invalid": True}, "rejects the API keys"),
            ({"api_keys_state": "expired"}, "'expired'"),
            ({"api_keys_state": " Invalid "}, "rejects the API keys"),
        ],
    )
    def test_what_waiting_cannot_cure_is_named(self, account, why):
        assert why in account_problem(account)
        assert unknown_key_state(account) is None

    @pytest.mark.parametrize("state", ["expiring", "checking", "", 5])
    def test_other_states_are_reported_and_stop_nothing(self, state):
        assert account_problem({"api_keys_state": state, "api_key_invalid": "true", "is_locked": 1}) is None
        assert unknown_key_state({"api_keys_state": state}) == str(state)

    def test_fine_is_fine(self):
        assert account_problem({}) is unknown_key_state({"api_keys_state": "ok"}) is None
