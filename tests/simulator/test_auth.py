from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# Published by the vendor.
GOLDEN_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
GOLDEN_PATH = "/ver1/users/change_mode?mode=paper"
GOLDEN_SIGNATURE = "bca8d8c10acfbe8e76c5335d3efbe0a550487170a8bb7aaea0a13efabab55316"


@pytest.mark.parametrize("signature", [GOLDEN_SIGNATURE, GOLDEN_SIGNATURE.upper()])
def test_vendors_golden_vector_is_accepted_in_either_case(sim, api, signature):
    sim.put_key("golden", secret=GOLDEN_SECRET)
    answer = api("POST", GOLDEN_PATH, apikey="golden", signature=signature)
    assert (answer.status, answer.json) == (201, {"mode": "paper"})


def test_rsa_signature_is_verified_over_the_bytes_received(sim, api):
    private = rsa.generate_private_key(65537, 2048)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    sim.put_key("rsa-key", public_key=pem.decode())
    target = b"/public/api/ver1/accounts?page=1&per_page=100"
    signature = base64.b64encode(private.sign(target, padding.PKCS1v15(), SHA256())).decode()

    path = "/ver1/accounts?page=1&per_page=100"
    assert api("GET", path, apikey="rsa-key", signature=signature).status == 200
    wrong = api("GET", "/ver1/accounts?per_page=100&page=1", apikey="rsa-key", signature=signature)
    assert wrong.json["error"] == "signature_invalid"
    swapped = signature.swapcase()
    assert api("GET", path, apikey="rsa-key", signature=swapped).json["error"] == "signature_invalid"


@pytest.mark.parametrize(
    "query", ["name=a%20b", "name=a+b", "name=%C3%A9&x=%26", "name=%c3%a9", "b=2&a=1", "date=2026-01-01T00:00:00Z"]
)
def test_query_is_verified_byte_for_byte(sim, api, query):
    assert api("GET", f"/ver1/validate?{query}").json == {"valid": True}
    entry = sim.journal(limit=1)[0]
    assert entry["path"] == entry["signed_string"] == f"/public/api/ver1/validate?{query}"


def test_equivalent_query_in_other_bytes_is_refused(api):
    signature = api.sign("/public/api/ver1/validate?name=a%20b")
    assert api("GET", "/ver1/validate?name=a+b", signature=signature).status == 401


@pytest.mark.parametrize("separator", ["?", ""])
def test_body_counts_as_signed_in_both_of_the_vendors_forms(api, separator):
    body = '{"mode":"paper"}'
    signature = api.sign(f"/public/api/ver1/users/change_mode{separator}{body}")
    headers = {"signature": signature, "content_type": "application/json"}
    assert api("POST", "/ver1/users/change_mode", body, **headers).json == {"mode": "paper"}
    assert api("POST", "/ver1/users/change_mode", body, content_type="application/json").status == 401


def test_query_wins_over_body(api):
    body = "mode=paper"
    signature = api.sign("/public/api/ver1/users/change_mode?mode=real&mode=paper")
    assert api("POST", "/ver1/users/change_mode?mode=real", body, signature=signature).json == {"mode": "real"}


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"apikey": "unknown"}, "api_key_invalid_or_expired"),
        ({"apikey": None}, "api_key_invalid_or_expired"),
        ({"apikey": "expired"}, "api_key_invalid_or_expired"),
        ({"apikey": "elsewhere"}, "api_key_invalid_or_expired"),
        ({"signature": "0" * 64}, "signature_invalid"),
        ({"signature": None}, "signature_invalid"),
    ],
)
def test_bad_credentials_get_401(sim, api, headers, error):
    sim.put_key("expired", secret=sim.secret, state="expired")
    sim.put_key("elsewhere", secret=sim.secret, ip_allowed=False)
    answer = api("GET", "/ver1/validate", **headers)
    assert (answer.status, answer.json["error"]) == (401, error)
    entry = sim.journal(limit=1)[0]
    assert (entry["signed"], entry["applied"]) == (False, False)


def test_validate_needs_a_signature_but_no_permission(sim, api):
    sim.put_key(sim.api_key, permissions=[])
    assert api("GET", "/ver1/validate").json == {"valid": True}


@pytest.mark.parametrize("path", ["ping", "time", "accounts/market_list"])
def test_unsigned_endpoints(sim, api, path):
    sim.settings(ping_and_time=True)
    assert api("GET", f"/ver1/{path}", apikey=None, signature=None).status == 200
    assert sim.journal(limit=1)[0]["signed"] is None


@pytest.mark.parametrize("style", ["access_denied", "Forbidden"])
def test_missing_permission_gets_403_in_both_known_forms(sim, api, style):
    sim.put_key(sim.api_key, permissions=["ACCOUNTS_READ"], denial=style)
    answer = api.sell()
    assert answer.status == 403
    assert answer.json == {"error": style, "error_description": "Api key not authorized for this action"}
    assert sim.sells() == []


@pytest.mark.parametrize(
    ("plan", "read", "write"), [("free", 429, 429), ("starter", 200, 429), ("pro", 200, 429), ("expert", 200, 201)]
)
def test_plan_forbids_for_good(sim, api, plan, read, write):
    sim.put_key(sim.api_key, plan=plan)
    assert api("GET", "/ver1/accounts").status == read
    answer = api.sell()
    assert answer.status == write
    if write == 429:
        assert "not available with your current subscription plan" in answer.json["error"]
        assert "retry-after" not in answer.headers


def test_forced_mode_decides_which_accounts_there_are(sim, api):
    codes = {
        mode: [account["market_code"] for account in api("GET", "/ver1/accounts", forced_mode=mode).json]
        for mode in ("real", "paper")
    }
    assert codes == {"real": ["binance_us"], "paper": ["paper_trading"]}
    sell = "/ver1/accounts/32402783/sell_all_to_btc"
    assert api("POST", sell, forced_mode="paper").status == 404
    assert api("POST", sell, forced_mode="demo").status == 400
    assert sim.sells() == []
    assert [entry["mode"] for entry in sim.sell_attempts()] == ["paper", "demo"]


def test_without_forced_mode_the_last_chosen_one_counts(sim, api):
    sim.reset({"extends": "calm", "mode": "paper"})
    assert api("GET", "/ver1/accounts/32402783").status == 404
    assert api("POST", "/ver1/users/change_mode?mode=real").status == 201
    assert api("GET", "/ver1/accounts/32402783").status == 200


def test_public_key_that_is_none_is_refused(sim):
    with pytest.raises(RuntimeError, match="400"):
        sim.put_key("bad", public_key="-----BEGIN NONSENSE-----")


def test_the_mode_header_may_be_ignored(sim, api):
    sim.reset("mode-ignored")
    for mode in ("real", "paper", "demo"):
        codes = {account["market_code"] for account in api("GET", "/ver1/accounts", forced_mode=mode).json}
        assert codes == {"binance_us"}
