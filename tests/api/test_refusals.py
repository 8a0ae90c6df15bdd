"""What a refusal means by its text and its path, and how exact a reply has to be for a write to count as refused."""

from __future__ import annotations

import json

import pytest

from airflow_provider_3commas import api
from airflow_provider_3commas.api.error_mapping import Reply, error_for

SELL = "/ver1/accounts/12/sell_all_to_usd"
DUST = "/ver1/accounts/12/convert_dust_to_bnb"
READ = "/ver1/accounts/12"
DISABLE = "/ver1/bots/12/disable"
LACKS_PERMISSION = "the API key lacks a permission"
STATE = "in the resource's current state"
SUBSCRIPTION = "see to the subscription"


def error(body, *, status=403, path=SELL, method="POST", writes=True, headers=None):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_for(Reply(method, path, status, headers or {}, content, writes, str))


def forbidden(code, description=None, **reply):
    return error({"error": code, "error_description": description}, **reply)


class TestForbidden:
    @pytest.mark.parametrize("path", [SELL, READ, DUST, DISABLE])
    @pytest.mark.parametrize(
        ("code", "description", "says", "says_not"),
        [
            ("access_denied", "Api key not authorized for this action", [LACKS_PERMISSION], [STATE, SUBSCRIPTION]),
            ("Forbidden", "Api key not authorized for this action", [LACKS_PERMISSION], [STATE, SUBSCRIPTION]),
            ("access_denied", None, [LACKS_PERMISSION], [STATE, SUBSCRIPTION]),
            ("Forbidden", "Active subscription is required", [SUBSCRIPTION], [LACKS_PERMISSION, STATE]),
            ("access_denied", "Your plan does not allow it", [SUBSCRIPTION], [LACKS_PERMISSION, STATE]),
            ("Forbidden", None, [LACKS_PERMISSION, STATE], []),
            ("Forbidden", "Deal cannot be cancelled", [LACKS_PERMISSION, STATE], []),
            ("Account not owned by current user.", None, ["Check the id"], [LACKS_PERMISSION, STATE, SUBSCRIPTION]),
        ],
    )
    def test_both_meanings_are_told_unless_the_text_tells_which(self, path, code, description, says, says_not):
        problem = forbidden(code, description, path=path)
        assert type(problem) is api.PermissionDenied
        assert code.rstrip(".") in str(problem)
        for text in says:
            assert text in str(problem)
        for text in says_not:
            assert text not in str(problem)

    @pytest.mark.parametrize("code", ["Forbidden. Unavailable for this account.", "Unavailable for this account."])
    def test_sell_all_is_unavailable_only_where_it_was_asked_for(self, code):
        assert type(forbidden(code)) is api.SellAllUnavailable
        for path in (DUST, READ, DISABLE):
            problem = forbidden(code, path=path)
            assert type(problem) is api.PermissionDenied
            assert "does not offer this call for this resource" in str(problem)
            assert "ell-all" not in str(problem)
            assert LACKS_PERMISSION not in str(problem)

    @pytest.mark.parametrize(
        ("path", "permission"),
        [
            (READ, "ACCOUNTS_READ to read, ACCOUNTS_WRITE"),
            (DISABLE, "BOTS_READ to read, BOTS_WRITE"),
            ("/ver1/grid_bots", "BOTS_READ"),
            ("/ver1/deals/1/show", "BOTS_READ"),
            ("/v2/smart_trades", "SMART_TRADES_READ"),
            ("/ver1/something", "the one that this call needs"),
            ("/", "the one that this call needs"),
        ],
    )
    def test_the_permission_is_that_of_the_endpoint(self, path, permission):
        assert f"({permission}" in str(forbidden("access_denied", path=path))


CERTAIN = [
    (400, "record_invalid", api.InvalidRequest),
    (400, "invalid_request", api.InvalidRequest),
    (400, "Wrong param(s)", api.InvalidRequest),
    (400, "forced_mode_invalid", api.InvalidRequest),
    (422, "invalid_api_key", api.ExchangeKeysInvalid),
    (422, "unprocessable_entity", api.Unprocessable),
    (422, "bnb_dust_limit_error", api.Unprocessable),
]


def near_misses(code):
    return [
        f"<html>{code}</html>".encode(),
        b"",
        json.dumps(code).encode(),
        json.dumps([{"error": code}]).encode(),
        *(
            json.dumps(body).encode()
            for body in (
                {"error": f"{code} "},
                {"error": f" {code}"},
                {"error": f"{code}\n"},
                {"error": f"{code}\x00"},
                {"error": f"{code}."},
                {"error": code.swapcase()},
                {"error": [code]},
                {"error": {"code": code}},
                {"error": None, "error_description": code},
                {"errors": code},
                {"error": "unknown", "error_description": code},
                {"data": {"error": code}},
            )
        ),
        json.dumps({"error": code}).encode()[:-1],
        json.dumps({"error": code}).encode() + b"<html>",
    ]


class TestCertainty:
    @pytest.mark.parametrize("writes", [True, False])
    @pytest.mark.parametrize(("status", "code", "kind"), CERTAIN)
    def test_what_is_refused_for_certain_by_its_code(self, status, code, kind, writes):
        problem = error({"error": code}, status=status, writes=writes)
        assert type(problem) is kind
        assert problem.code == code

    @pytest.mark.parametrize(("status", "code", "kind"), CERTAIN)
    def test_a_near_miss_leaves_a_write_unknown(self, status, code, kind):
        for body in near_misses(code):
            assert type(error(body, status=status)) is api.OutcomeUnknown, body

    @pytest.mark.parametrize(("status", "code", "kind"), CERTAIN)
    def test_the_code_of_another_status_leaves_a_write_unknown(self, status, code, kind):
        for other in {400, 409, 422, 500} - {status}:
            assert type(error({"error": code}, status=other)) is api.OutcomeUnknown

    def test_what_the_exchange_answered_leaves_a_write_unknown(self):
        body = {"error": "unknown_market_api_error", "error_description": 'Unknown market api error {"code"=>-9000}'}
        assert type(error(body, status=422)) is api.OutcomeUnknown

    @pytest.mark.parametrize("writes", [True, False])
    @pytest.mark.parametrize("body", [{"error": "405 Not Allowed"}, b"<html>Not allowed</html>", b"", [], "text"])
    def test_no_such_method_is_certain_by_its_status(self, body, writes):
        problem = error(body, status=405, writes=writes)
        assert type(problem) is api.InvalidRequest
        assert "nothing was done" in str(problem)

    def test_a_forced_mode_that_is_refused_is_the_connections(self):
        assert "mode of the connection" in str(error({"error": "forced_mode_invalid"}, status=400))

    def test_what_could_not_be_done_may_be_done_by_another_try(self):
        assert issubclass(api.Unprocessable, api.RequestRejected)
        assert not api.Unprocessable.permanent

    @pytest.mark.parametrize(
        ("path", "kind"), [(READ, api.AccountNotFound), (SELL, api.AccountNotFound), (DISABLE, api.ResourceNotFound)]
    )
    def test_what_is_not_found_is_an_account_only_where_one_was_asked_for(self, path, kind):
        assert type(error({"error": "not_found"}, status=404, path=path)) is kind

    @pytest.mark.parametrize(
        ("path", "writes", "says"),
        [
            (SELL, True, "look at the account before selling again"),
            (DISABLE, True, "look at the resource before sending it again"),
            (READ, False, "The read can be repeated"),
        ],
    )
    def test_an_unknown_outcome_advises_by_the_endpoint(self, path, writes, says):
        assert says in str(error(b"", status=502, path=path, writes=writes))


class TestPauses:
    @pytest.mark.parametrize("said", [None, "0", "2", "-5", "soon", "Sun, 22 Nov 2020 09:00:00 GMT"])
    @pytest.mark.parametrize(
        ("method", "path", "seconds"),
        [("POST", SELL, 300), ("GET", READ, 300), ("GET", "/ver1/deals", 60), ("GET", "/v2/smart_trades", 10)],
    )
    def test_a_pause_shorter_than_the_documented_one_is_not_believed(self, method, path, seconds, said):
        headers = {"Retry-After": said} if said else {}
        problem = error(b"", status=429, method=method, path=path, headers=headers)
        assert (type(problem), problem.retry_after) == (api.RateLimitExceeded, seconds)

    def test_a_longer_pause_is_believed(self):
        for path in (SELL, "/ver1/deals"):
            assert error(b"", status=429, method="GET", path=path, headers={"Retry-After": "777"}).retry_after == 777

    @pytest.mark.parametrize(
        ("said", "seconds"),
        [("0", 120), ("119", 120), ("121", 121), ("259200", 259200), ("259201", 259200), (None, 600), ("soon", 600)],
    )
    def test_a_ban_lasts_as_long_as_the_server_says_but_two_minutes_at_least(self, said, seconds):
        headers = {"Retry-After": said} if said else {}
        assert error(b"", status=418, headers=headers).retry_after == seconds

    def test_a_plan_that_forbids_the_call_makes_nobody_pause(self):
        problem = error({"error": "not available with your current subscription plan"}, status=429)
        assert (type(problem), problem.retry_after) == (api.PlanLimitReached, None)
