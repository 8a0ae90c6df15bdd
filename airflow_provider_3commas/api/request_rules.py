"""What ``run`` may send: any call below the API's prefix but a sell-all. Imported at parses of DAG files, so light."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import unquote

from airflow_provider_3commas.api.errors import ConfigurationError

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# An allowlist, because there are too many ways to write a dot or a slash: no documented path has any other character.
_PATH = re.compile(r"/(?:ver|v)[0-9]{1,3}(?:/[A-Za-z0-9_-]+)+")
_PATH_CHARACTER = re.compile(r"[A-Za-z0-9_/-]")
_LONGEST_PATH = 500
# It begins with a letter: to some servers, _method means another method.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}(?:\[[A-Za-z0-9_]{0,100}\])*")
# The POSTs that need a permission to read only (ACCOUNTS_READ), by their documentation. Whatever repeats one repeats
# a read: a report that needs them has to be allowed retries, and not to be allowed everything else.
_READING_POST = re.compile(r"/ver1/accounts/[0-9]+/(?:account_table_data|load_balances|pie_chart_data)")
_SELLS_EVERYTHING = "sell_all"
_EVERY_ACCOUNT = "summary"
# Encoded more often than this, it is refused for its percent signs alone.
_MOST_ENCODINGS = 5


class Call(NamedTuple):
    """A call that may be sent."""

    method: str
    path: str
    #: In the order in which they are sent.
    query: list[tuple[str, str]]
    #: Whether it may change something, so that it is never repeated.
    writes: bool


def check_call(method: object, path: object, params: object, *, writes: object) -> Call:
    """Return the call, or refuse it with a ``ConfigurationError`` before anything is sent."""
    if not isinstance(writes, bool):
        raise ConfigurationError(f"writes must be True or False, got {writes!r}. Nothing was sent.")
    checked_method, checked_path, query = check_method(method), check_path(path), encode_params(params)
    changes = checked_method != "GET" and not (checked_method == "POST" and _READING_POST.fullmatch(checked_path))
    if changes and not writes:
        raise ConfigurationError(
            f"{checked_method} {checked_path} may change something: pass writes=True if it is meant to. Nothing was "
            "sent. (Of the POSTs, account_table_data, load_balances and pie_chart_data of an account only read.)"
        )
    return Call(checked_method, checked_path, query, changes)


def check_method(method: object) -> str:
    """Return the HTTP method in upper case."""
    name = method.upper() if isinstance(method, str) and method.isascii() else method
    if name not in METHODS:
        raise ConfigurationError(f"method must be one of {', '.join(METHODS)}, got {method!r}. Nothing was sent.")
    return str(name)


def check_path(path: object) -> str:
    """Return the path below ``/public/api``, which can't leave it; never quoted, as there may be a secret in it."""
    expected = "Expected a path below /public/api, such as /ver1/accounts or /v2/smart_trades. Nothing was sent."
    if not isinstance(path, str):
        raise ConfigurationError(f"The path must be a text, got a {type(path).__name__}. {expected}")
    _refuse_everything(path)
    if path.startswith("/public/"):
        raise ConfigurationError(f"The path must not begin with /public/api, which is put before it. {expected}")
    strange = next((char for char in path if not _PATH_CHARACTER.fullmatch(char)), None)
    if strange is not None:
        raise ConfigurationError(
            f"The path has a {strange!a} in it; it can have letters, digits, '_', '-' and '/' only, nothing encoded, "
            f"and is no whole address. What would follow a '?' are the parameters. {expected}"
        )
    if len(path) > _LONGEST_PATH or not _PATH.fullmatch(path):
        raise ConfigurationError(
            "The path must begin with /ver1/ or /v2/, have no '//' and no '/' at its end, and at most "
            f"{_LONGEST_PATH} characters. {expected}"
        )
    return path


def _refuse_everything(path: str) -> None:
    """Refuse what sells everything, or is about all accounts, however it is written."""
    plain = path
    for _ in range(_MOST_ENCODINGS):
        plain = unquote(plain)
    plain = unicodedata.normalize("NFKC", plain).casefold()
    if _SELLS_EVERYTHING in plain:
        raise ConfigurationError(
            "The path has sell_all in it, and nothing that sells everything is sent this way: neither "
            "journal nor preflight would guard it, and a repeated one sells again. To liquidate an account, use "
            "SellAllToBtcOperator or SellAllToUsdOperator. To close the deals of a bot, instead of "
            "panic_sell_all_deals use POST /ver1/deals/ID/panic_sell for each of them. Nothing was sent."
        )
    if _EVERY_ACCOUNT in re.split(r"[/\\?#;]", plain):
        raise ConfigurationError(
            f"The path has {_EVERY_ACCOUNT} where an id belongs, which stands for all accounts at once. Use the id of "
            "one account, a positive integer, and a call for each: GET /ver1/accounts lists them. Nothing was sent."
        )


def encode_params(params: object) -> list[tuple[str, str]]:
    """Return the query: numbers in plain digits, ``True`` as ``true``, without what is ``None``.

    A list is joined by commas, as documented for ``account_id``; under a name that ends with ``[]`` it is repeated.
    """
    if params is None:
        return []
    if not isinstance(params, Mapping):
        raise ConfigurationError(
            f"The parameters must be a dict of names and values, got a {type(params).__name__}. Nothing was sent."
        )
    return [pair for name, value in params.items() for pair in encode_param(name, value)]


def encode_param(name: object, value: object) -> list[tuple[str, str]]:
    """Return one parameter as it is sent; values are not quoted in messages, as they may be secrets."""
    checked = check_name(name)
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        return [(checked, _text(checked, value))]
    texts = [_text(checked, item) for item in value]
    if checked.endswith("[]") and texts:
        return [(checked, text) for text in texts]
    if not texts or any("," in text for text in texts):
        raise ConfigurationError(
            f"The list of parameter {checked!r} is empty, or has a comma in a value. It is sent joined by commas, or, "
            f"under the name {checked.removesuffix('[]')}[], repeated; None leaves the parameter out. Nothing was sent."
        )
    return [(checked, ",".join(texts))]


def check_name(name: object) -> str:
    """Return a parameter's name."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or _SELLS_EVERYTHING in name.lower():
        raise ConfigurationError(
            f"The names of parameters begin with a letter and have letters, digits and '_', and [brackets] at their "
            f"end, and no {_SELLS_EVERYTHING} in them; got {str(name)[:80]!a}. Nothing was sent."
        )
    return name


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ConfigurationError(
                f"Parameter {name!r} has half a character in it (a lone surrogate). Nothing was sent."
            ) from None
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return str(int(value))
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) <= 100 and len(str(value)) <= 200:
        return f"{value:f}"
    raise ConfigurationError(
        f"Parameter {name!r} must be text, an int, a Decimal, a bool, None or a list of those, got a "
        f"{type(value).__name__}, or a number that is too large. Write a float as text or Decimal, which are exact, "
        "and a date as text, such as '2025-01-31T00:00:00.000Z'. Nothing was sent."
    )
