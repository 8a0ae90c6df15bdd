"""One request budget for everybody who uses an API key.

A ``RequestBudget`` counts requests in a store that every process sees and never blocks; a gate makes a client wait
for it: ``SleepingGate`` in a task, ``RaisingGate`` in a trigger. ``Claims`` keeps in the same store who is liquidating
an account.
"""

from airflow_provider_3commas.api.errors import BudgetTimeout
from airflow_provider_3commas.budget.budget import BudgetStatus, RequestBudget, shared_budget
from airflow_provider_3commas.budget.claim_rules import AccountTaken, Claim, Claimant, Outcome
from airflow_provider_3commas.budget.claims import Claims
from airflow_provider_3commas.budget.gates import (
    GateObserver,
    RaisingGate,
    SleepingGate,
    WaitForBudget,
)
from airflow_provider_3commas.budget.ledger import Reason, Reservation
from airflow_provider_3commas.budget.limits import Priority
from airflow_provider_3commas.budget.store import Reach

__all__ = [
    "AccountTaken",
    "BudgetStatus",
    "BudgetTimeout",
    "Claim",
    "Claimant",
    "Claims",
    "GateObserver",
    "Outcome",
    "Priority",
    "RaisingGate",
    "Reach",
    "Reason",
    "RequestBudget",
    "Reservation",
    "SleepingGate",
    "WaitForBudget",
    "shared_budget",
]
