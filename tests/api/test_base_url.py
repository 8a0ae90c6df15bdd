"""No key is ever sent to an address that can't be meant."""

from __future__ import annotations

import pytest

from airflow_provider_3commas.api import ConfigurationError
from airflow_provider_3commas.api.base_url import check_base_url


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://api.3commas.io", "https://api.3commas.io"),
        ("https://api.3commas.io/", "https://api.3commas.io"),
        ("https://proxy.example:8443", "https://proxy.example:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_usable_address_is_scheme_host_and_port(url, base):
    assert check_base_url(url) == base


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://api.3commas.io", "unencrypted"),
        ("http://127.0.0.1.example.com", "unencrypted"),
        ("http://10.0.0.1", "unencrypted"),
        ("https://api.3commas.io/public/api", "path"),
        ("https://api.3commas.io?x=1", "path or query"),
        ("https://api.3commas.io#x", "path or query"),
        ("https://key:secret@api.3commas.io", "credentials"),
        ("ftp://api.3commas.io", "not an http"),
        ("https://", "not an http"),
        ("https://host:port", "not an address"),
        ("https://[::1", "not an address"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(url, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        check_base_url(url)
    assert "secret" not in str(caught.value).replace("secret into", "")
