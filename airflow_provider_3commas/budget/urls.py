"""What a ``budget_url`` may be, what of it may be shown, and what of it is secret."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from airflow_provider_3commas.api.errors import ConfigurationError

#: What may be set in the URL of a Redis. Others that redis knows keep a request waiting, send it again, or make answers
#: of another type.
REDIS_OPTIONS = (
    "client_name",
    "db",
    "health_check_interval",
    "password",
    "socket_keepalive",
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_cert_reqs",
    "ssl_certfile",
    "ssl_check_hostname",
    "ssl_keyfile",
    "username",
)

_NOT_A_URL = "(not a URL)"
_REDIS = ("redis", "rediss")
# The name of the user that Redis has from the start is no secret, and a word that logs need.
_DEFAULT_USER = "default"


def check_url(url: object) -> SplitResult:
    """Return the parts of a ``budget_url``; raise ``ConfigurationError``, without its password, if it can't be used."""
    parts = _parts(url)
    if parts is None or not _is_usable(parts):
        raise ConfigurationError(
            f"budget_url {describe_url(url)} cannot be used. Expected redis://[:PASSWORD@]HOST[:PORT][/DATABASE], "
            "rediss:// likewise, unix:///SOCKET, sqlite:////ABSOLUTE/PATH or memory:// (schemes: sqlite, redis, "
            "rediss, unix or memory). In a user name or password, write each of : / ? # [ ] @ % as % and two digits."
        )
    if parts.scheme == "sqlite" and not _is_absolute_file(parts.path):
        raise ConfigurationError(
            f"budget_url {describe_url(url)} needs the absolute path of a file, with four slashes: "
            "sqlite:////var/lib/airflow/budget.sqlite. A relative one would mean another file in every process."
        )
    if any(name not in REDIS_OPTIONS for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise ConfigurationError(
            f"budget_url {describe_url(url)} has an option that is not for a request budget. Expected none, or some of "
            f"{', '.join(REDIS_OPTIONS)}."
        )
    return parts


def describe_url(url: object) -> str:
    """Return a ``budget_url`` for a message: scheme, host and port, or the path of a file."""
    parts = _parts(url)
    if parts is None:
        return _NOT_A_URL
    if parts.scheme in ("sqlite", "unix"):
        return f"{parts.scheme}://{parts.path}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port is not None else "")


def secrets_in_url(url: object) -> list[str]:
    """Return what of a ``budget_url`` nobody may see, as written and decoded; whether or not the URL can be used."""
    if not isinstance(url, str) or url.startswith("sqlite:"):
        return []
    rest = url.partition("//")[2] or url
    user, query = rest.rpartition("@")[0], rest.partition("?")[2]
    # Whoever does not know that & ends a value has it in the password.
    fields = query.partition("password=")[2].split("&")
    written = ["&".join(fields[:end]) for end in range(1, len(fields) + 1)]
    if user != _DEFAULT_USER:
        written += [user, user.partition(":")[2]]
    found = {form for secret in written for form in (secret, unquote(secret), unquote(unquote(secret))) if form}
    return [url, *sorted(found)] if found else []


def _parts(url: object) -> SplitResult | None:
    """Split a URL; return nothing for one of which a password could be anywhere but before the host."""
    if not isinstance(url, str) or not url.isprintable():
        return None
    scheme, separator, rest = url.partition("://")
    if separator and scheme == "sqlite":
        # The name of a file may hold anything, and there is no host that a password could stand before.
        return SplitResult(scheme, "", rest, "", "") if rest.startswith("/") or not rest else None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    behind_host = url.removeprefix(f"{scheme}://{parts.netloc}")
    return parts if separator and scheme == parts.scheme and not {"@", "#"} & set(behind_host) else None


def _is_usable(parts: SplitResult) -> bool:
    if parts.scheme == "sqlite":
        return True
    if parts.scheme == "memory":
        return not (parts.netloc or parts.path or parts.query)
    if parts.scheme == "unix":
        return not parts.hostname and len(parts.path) > 1
    database = parts.path.strip("/")
    # redis decodes the host, and would ask another one than is shown.
    host = parts.hostname or "%"
    return parts.scheme in _REDIS and "%" not in host and parts.port != 0 and (not database or database.isdecimal())


def _is_absolute_file(path: str) -> bool:
    name = unquote(path)
    return path.startswith("//") and len(path) > 2 and not path.endswith("/") and name.isprintable()
