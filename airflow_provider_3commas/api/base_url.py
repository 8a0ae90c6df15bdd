"""Which addresses a request may go to."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from airflow_provider_3commas.api.errors import ConfigurationError

#: The real 3Commas.
DEFAULT_BASE_URL = "https://api.3commas.io"


def check_base_url(url: str) -> str:
    """Return ``https://HOST[:PORT]`` without a trailing slash, or refuse the URL before any key is sent there.

    ``http://`` is only for loopback addresses. No path, query or credentials.
    """
    example = f"Expected the form {DEFAULT_BASE_URL}."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(f"The connection's host is not an address. {example}") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            f"The connection's host has credentials in it. Put the API key into login and the secret into password. "
            f"{example}"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"The connection's host {url!r} is not an http(s) address. {example}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigurationError(f"The connection's host {url!r} has a path or query. {example}")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigurationError(
            f"The connection's host {url!r} would send the API key unencrypted to another machine. Use https://; "
            "http:// is for loopback addresses such as the simulator's."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def is_loopback(host: str) -> bool:
    """Return whether a host name or IP address (without brackets) can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
