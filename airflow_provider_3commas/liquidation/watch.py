"""After a sell-all whose outcome is unknown: poll the account until it shows what became of it. Only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.api import clock
from airflow_provider_3commas.api.errors import PASSING_ERRORS, OutcomeUnknown, RateLimitExceeded, ThreeCommasError
from airflow_provider_3commas.liquidation.evidence import Reconciliation
from airflow_provider_3commas.liquidation.snapshot import Snapshot

if TYPE_CHECKING:
    from airflow_provider_3commas.liquidation.sale import Environment, Sale

#: Polls over the time for which the account is watched.
POLLS = 8


def watch(
    sale: Sale, environment: Environment, baseline: Snapshot | None, why: str
) -> tuple[dict[str, Any], Reconciliation]:
    """Poll until there is a finding; return the Account of the last poll, and what all polls came to.

    The first rate limit starts the time over at its end, so that it is not taken from the watch. ``why`` says what is
    unknown, for the ``OutcomeUnknown`` of an account that can't be read at all.
    """
    duration = sale.reconcile_for.total_seconds()
    environment.log.warning(
        "Watching account %s for up to %g s to find out whether it was sold. Only reading.", sale.account_id, duration
    )
    reconciliation = Reconciliation(baseline, sale.target)
    deadline, extended = clock.monotonic() + duration, False
    while True:
        account, snapshot, wait = _poll(sale, environment, why)
        if wait and not extended:
            deadline, extended = clock.monotonic() + wait + duration, True
        reconciliation = reconciliation.with_poll(snapshot)
        left = deadline - clock.monotonic()
        if reconciliation.finding(time_is_up=left <= 0) is not None:
            return account, reconciliation
        clock.sleep(min(duration / POLLS, max(left, 0.0)))


def _poll(sale: Sale, environment: Environment, why: str) -> tuple[dict[str, Any], Snapshot | None, float]:
    """Read the account once; without an answer, return no snapshot and the seconds that the server wants to pause."""
    client, account_id = environment.client, sale.account_id
    try:
        account = client.load_balances(account_id)
        rows = client.get_balances(account_id)
        entities = client.get_active_entities(account_id)
    except (*PASSING_ERRORS, RateLimitExceeded) as error:
        environment.log.warning("%s", error)
        return {}, None, error.retry_after or 0.0
    except ThreeCommasError as error:
        raise OutcomeUnknown(
            f"{why} The account can't be read to find out: {error}", retry_after=error.retry_after
        ) from error
    return account, Snapshot.of(account, rows, entities, clock.now()), 0.0
