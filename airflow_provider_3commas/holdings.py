"""What an account holds: balance rows added up by coin, and whether they can be believed.

The one notion of a holding, of "the rows add up to the account's value", and of an account that can't be traded: the
sale's evidence and the settlement's decision use the same.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_3commas.api.balance_rows import UNKNOWN_CURRENCY
from airflow_provider_3commas.currency_codes import canonical
from airflow_provider_3commas.dust import DUST_BTC
from airflow_provider_3commas.money import EXACT, read_amount, rounded, sane_or_none
from airflow_provider_3commas.targets import DOLLAR_CURRENCIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_3commas.api.balance_rows import BalanceRow

#: Share of what is not in BTC by which the rows may miss the account's value: prices move between the two requests.
VIEW_TOLERANCE = Decimal("0.01")

# The vendor lists no states of an exchange's API keys. These were seen, or say of themselves that they are of no use.
_USELESS_KEYS = frozenset({"expired", "invalid"})
_ZERO = Decimal(0)
_BTC = frozenset({"BTC"})
# Of the tolerance, for dollars. An assumption: what they are worth to each other moves less between two requests.
_DOLLAR_TOLERANCE_SHARE = Decimal("0.2")


class Holding:
    """The balance rows of one coin, added up; what a row does not say counts as zero and is named in ``unknown``."""

    __slots__ = (
        "amount",
        "assets_btc",
        "btc_value",
        "currency",
        "debt_btc",
        "on_orders",
        "orders_btc",
        "unknown",
        "usd_complete",
        "usd_value",
    )

    def __init__(
        self,
        currency: str,
        amount: Decimal = _ZERO,
        on_orders: Decimal = _ZERO,
        btc_value: Decimal = _ZERO,
        usd_value: Decimal = _ZERO,
    ) -> None:
        self.currency = currency
        #: In the coin, what is in open orders included.
        self.amount = amount
        #: In the coin.
        self.on_orders = on_orders
        self.btc_value = btc_value
        self.usd_value = usd_value
        self.assets_btc = max(btc_value, _ZERO)
        self.debt_btc = max(-btc_value, _ZERO)
        #: Value in BTC of what is in open orders; ``None`` if that is not known.
        self.orders_btc = _ZERO if not on_orders else None if self.price is None else on_orders * self.price
        self.unknown: list[str] = []
        #: Whether every row that is worth something says what in USD.
        self.usd_complete = True

    @property
    def free(self) -> Decimal:
        """The amount that is in no open order."""
        return max(self.amount - self.on_orders, _ZERO)

    @property
    def price(self) -> Decimal | None:
        """In BTC; ``None`` if it is not known."""
        return self.btc_value / self.amount if self.amount and self.btc_value else None

    def add(self, row: BalanceRow) -> None:
        """Add one row."""
        if self.currency == UNKNOWN_CURRENCY:
            self.unknown.append("currency_code")
        position, btc_value = sane_or_none(row.position), sane_or_none(row.btc_value)
        usd_value = sane_or_none(row.usd_value)
        if position == 0 and btc_value is None:
            btc_value = _ZERO
        if position is None or btc_value is None:
            self.unknown.append("position" if position is None else "btc_value")
        position, btc_value = position or _ZERO, btc_value or _ZERO
        self.amount += position
        self.btc_value += btc_value
        self.usd_value += usd_value or _ZERO
        self.usd_complete &= usd_value is not None or btc_value == 0
        if position < 0:
            self.debt_btc += abs(btc_value)
        else:
            self.assets_btc += max(btc_value, _ZERO)
            self.debt_btc += max(-btc_value, _ZERO)
        self._add_orders(row, position)
        self._add_debt(row, position, btc_value)

    def _add_orders(self, row: BalanceRow, position: Decimal) -> None:
        on_orders, available = sane_or_none(row.on_orders), sane_or_none(row.position_available)
        if on_orders is None and available is not None:
            on_orders = position - available
        if on_orders is None and position != 0:
            self.unknown.append("on_orders")
        on_orders = max(on_orders or _ZERO, _ZERO)
        self.on_orders += on_orders
        if on_orders:
            price = _price(row)
            self.orders_btc = None if price is None or self.orders_btc is None else self.orders_btc + on_orders * price

    def _add_debt(self, row: BalanceRow, position: Decimal, btc_value: Decimal) -> None:
        borrowed, price = sane_or_none(row.borrowed), sane_or_none(row.current_price)
        if row.borrowed is not None and borrowed is None:
            self.unknown.append("borrowed")
        if not borrowed:
            return
        if price is None and position != 0:
            price = abs(btc_value / position)
        if price is None:
            self.unknown.append("current_price")
        self.debt_btc += abs(borrowed) * (price or _ZERO)


def _price(row: BalanceRow) -> Decimal | None:
    """Return the price in BTC, as far as the row says."""
    position, btc_value = sane_or_none(row.position), sane_or_none(row.btc_value)
    return abs(btc_value / position) if position and btc_value is not None else sane_or_none(row.current_price)


def sum_rows(rows: Iterable[BalanceRow]) -> dict[str, Holding]:
    """Add up rows by coin, to the last digit; return the holdings by code in upper case, sorted by it."""
    holdings: dict[str, Holding] = {}
    with localcontext(EXACT):
        for row in rows:
            code = canonical(row.currency_code) or UNKNOWN_CURRENCY
            if code not in holdings:
                holdings[code] = Holding(code)
            holdings[code].add(row)
    # Messages must not depend on the order in which the rows come.
    return dict(sorted(holdings.items()))


def mismatch(
    holdings: Mapping[str, Holding],
    account: Mapping[str, Any],
    *,
    dust_btc: Decimal = DUST_BTC,
    view_tolerance: Decimal = VIEW_TOLERANCE,
) -> str | None:
    """Return why the rows do not add up to the account's value, as the end of a sentence; ``None`` if they do.

    A view that does not add up proves nothing. What is in BTC is worth the same in both replies, so it has to agree to
    within dust. The rest is valued at two moments; it gets a tolerance. (A share of the whole would hide a row that is
    missing beside a lot of BTC.) Where there are more dollars than BTC, the same is done in USD; as dollars are of
    several kinds, which are not worth quite the same, they get a fifth of the tolerance.
    """
    total = read_amount(account.get("btc_amount"))
    if total is None:
        return "the account's btc_amount is missing"
    if not holdings and total != 0:
        return f"the balances are empty, but the account is worth {rounded(total, 8)} BTC"
    with localcontext(EXACT):
        btc = _Sums.of({code: held.btc_value for code, held in holdings.items()}, _BTC, total)
        usd = _usd_sums(holdings, account)
        if usd is None or sum((holdings[code].btc_value for code in usd.pegged_codes), _ZERO) <= btc.pegged:
            return btc.mismatch("BTC", 8, dust_btc + view_tolerance * btc.floating)
        allowed = dust_btc * usd.total / total + view_tolerance * (usd.floating + _DOLLAR_TOLERANCE_SHARE * usd.pegged)
        return usd.mismatch("USD", 2, allowed)


class _Sums(NamedTuple):
    """Values of the rows in one unit: in total, of what is pegged to that unit, and of the rest."""

    pegged_codes: frozenset[str]
    total: Decimal
    rows: Decimal
    pegged: Decimal
    floating: Decimal

    @classmethod
    def of(cls, values: Mapping[str, Decimal], pegged_codes: frozenset[str], total: Decimal) -> _Sums:
        pegged = sum((value for code, value in values.items() if code in pegged_codes), _ZERO)
        others = sum((abs(value) for code, value in values.items() if code not in pegged_codes), _ZERO)
        return cls(
            pegged_codes=pegged_codes.intersection(values),
            total=total,
            rows=sum(values.values(), _ZERO),
            pegged=pegged,
            floating=max(others, abs(total - pegged)),
        )

    def mismatch(self, unit: str, places: int, allowed: Decimal) -> str | None:
        if abs(self.total - self.rows) <= allowed:
            return None
        sums, whole = rounded(self.rows, places), rounded(self.total, places)
        return f"the balances add up to {sums} {unit} of the account's {whole} {unit}"


def _usd_sums(holdings: Mapping[str, Holding], account: Mapping[str, Any]) -> _Sums | None:
    """Return the sums in USD; ``None`` if a value in USD is missing, or the account is worth nothing."""
    btc_total, usd_total = read_amount(account.get("btc_amount")), read_amount(account.get("usd_amount"))
    if not btc_total or not usd_total or not all(held.usd_complete for held in holdings.values()):
        return None
    return _Sums.of({code: held.usd_value for code, held in holdings.items()}, DOLLAR_CURRENCIES, usd_total)


def account_problem(account: Mapping[str, Any]) -> str | None:
    """Return why nothing can be traded on an account, as the end of a sentence; ``None`` if nothing is known."""
    if account.get("is_locked") is True:
        reason = account.get("lock_reason")
        return f"3Commas has locked it ({str(reason)[:200] if reason else 'no reason given'})"
    state = account.get("api_keys_state")
    if account.get("api_key_invalid") is True or (isinstance(state, str) and state.strip().lower() in _USELESS_KEYS):
        return (
            "the exchange rejects the API keys that 3Commas holds for it "
            f"(api_key_invalid {account.get('api_key_invalid')!r}, api_keys_state {str(state)[:40]!r})"
        )
    return None


def unknown_key_state(account: Mapping[str, Any]) -> str | None:
    """Return a state of the exchange's API keys that is not known here: no reason not to sell, but worth a line."""
    state = account.get("api_keys_state")
    if state in (None, "ok") or account_problem(account) is not None:
        return None
    return str(state)[:40]


def may_be_rebalanced(account: Mapping[str, Any]) -> bool | None:
    """Return whether 3Commas may rebalance an account, that is buy again after a sale; ``None`` if it does not say."""
    flag = account.get("autobalance_enabled")
    return flag if isinstance(flag, bool) else None


def describe_unknown(held: Holding) -> str:
    """Describe what is not known of a holding: what is missing is not zero."""
    return f"{held.currency} without {' and '.join(sorted(set(held.unknown)))}"
