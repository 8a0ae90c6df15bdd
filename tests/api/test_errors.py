"""The error tree says, by its shape, whether a sell can have happened."""

from __future__ import annotations

import pickle

import pytest

from airflow_provider_3commas import api


@pytest.mark.parametrize(
    "name",
    [
        "InvalidRequest", "AuthenticationError", "PermissionDenied", "SellAllUnavailable", "AccountNotFound",
        "IpBanned", "ExchangeKeysInvalid", "RateLimitExceeded", "PlanLimitReached", "RedirectRefused",
        "ResourceNotFound", "Unprocessable",
    ],
)  # fmt: skip
def test_refusals_are_rejected_for_certain(name):
    assert issubclass(getattr(api, name), api.RequestRejected)


@pytest.mark.parametrize("name", ["OutcomeUnknown", "ConnectionFailed", "ConfigurationError", "InvalidAccountId"])
def test_the_others_are_not(name):
    assert issubclass(getattr(api, name), api.ThreeCommasError)
    assert not issubclass(getattr(api, name), api.RequestRejected)


def test_errors_survive_pickling():
    error = api.RateLimitExceeded("too many", status_code=429, retry_after=12.0, attributes={"a": ["b"]})
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == "too many"
    assert (copy.status_code, copy.retry_after, copy.attributes) == (429, 12.0, {"a": ["b"]})


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Nothing"):
        api.Nothing  # noqa: B018
