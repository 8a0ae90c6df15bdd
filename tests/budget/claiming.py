"""What the tests of claims share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_3commas.budget import AccountTaken, Claimant
from tests.fakes import ACCOUNT, START

if TYPE_CHECKING:
    from airflow_provider_3commas.budget import Claims, RequestBudget

WITHIN = 600.0
#: When virtual time begins, in the store's unit.
START_MS = round(START * 1000)

TASK_A = Claimant("risk_off/scheduled__2026-11-24/liquidate", 1)
TASK_B = Claimant("risk_off/scheduled__2026-11-24/liquidate[1]", 1)
TASK_C = Claimant("other/manual__2026-11-24/liquidate", 1)


def later(claimant: Claimant, tries: int = 1) -> Claimant:
    return Claimant(claimant.task, claimant.try_number + tries)


def write(budget: RequestBudget, text: bytes) -> None:
    budget.swap(str(ACCOUNT), lambda _held, _now: (None, text))


def read(budget: RequestBudget) -> bytes:
    return budget.swap(str(ACCOUNT), lambda held, _now: (held, held))[0]


def refused(claims: Claims, claimant: Claimant, not_within: float | None = WITHIN) -> AccountTaken:
    """Check that both questions are answered with no, and return the answer."""
    before = claims.holder(ACCOUNT)
    with pytest.raises(AccountTaken) as checked:
        claims.check(ACCOUNT, claimant, not_within)
    with pytest.raises(AccountTaken) as claimed:
        claims.claim(ACCOUNT, claimant, not_within)
    assert str(checked.value) == str(claimed.value)
    assert claims.holder(ACCOUNT) == before
    return claimed.value
