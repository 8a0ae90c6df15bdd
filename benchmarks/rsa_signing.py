"""What does an RSA signature cost, and how often is the key parsed? ``python benchmarks/rsa_signing.py``."""

from __future__ import annotations

import argparse
import base64
import statistics
import sys
from typing import TYPE_CHECKING

from contenders import ACCOUNT_ID, API_KEY
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from measure import ROOT, bar, cpu, figure, machine, table, take_turns
from py3cw.request import Py3CW

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(ROOT))

PATH = f"/public/api/ver1/accounts/{ACCOUNT_ID}"
OURS, FLOOR = "this provider", "`cryptography` alone"


def signers(bits: int) -> tuple[dict[str, Callable[[], str]], Callable[[], object]]:
    """Make a key and what signs with it.

    :param bits: size of the key.
    :return: by contender, what returns one signature; and what reads the key anew, as a new client of ours does.
    """
    from airflow_provider_3commas.api.credentials import Credentials

    key = rsa.generate_private_key(65537, bits)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    ours = Credentials(API_KEY, pem).signer
    peer = Py3CW(API_KEY, selfsigned=pem)
    found = {
        OURS: lambda: ours.sign(PATH),
        FLOOR: lambda: base64.b64encode(key.sign(PATH.encode(), padding.PKCS1v15(), hashes.SHA256())).decode(),
        "`py3cw`": lambda: peer._Py3CW__generate_signature(PATH, ""),
    }
    if len({sign() for sign in found.values()}) != 1:
        raise SystemExit("the contenders do not agree on the signature")
    return found, lambda: Credentials(API_KEY, pem)


def main() -> None:
    """Measure and print."""
    from airflow_provider_3commas.api.credentials import _load_rsa_key

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9, help="rounds that count (default: %(default)s)")
    options = parser.parse_args()
    print("## RSA signatures\n")
    print(machine("cryptography", "py3cw", "pycryptodome"))
    for bits in (2048, 4096):
        _load_rsa_key.cache_clear()
        found, another_client = signers(bits)
        spent = take_turns({name: cpu(sign, 20) for name, sign in found.items()}, options.rounds)
        for _ in range(20):
            another_client()
        base = statistics.median(spent[FLOOR])
        table(
            f"RSA-{bits}",
            ["signer", "µs of CPU a request, median (min-max)", "x"],
            [(name, f"{figure(it):.0f}", f"{statistics.median(it) / base:.2f}") for name, it in spent.items()],
        )
        bar(f"RSA-{bits}: beside {FLOOR}", statistics.median(spent[OURS]) / base, 1.1)
        bar(f"RSA-{bits}: times the key was parsed, for 21 clients", _load_rsa_key.cache_info().misses, 1, "times")


if __name__ == "__main__":
    main()
