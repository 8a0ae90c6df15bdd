"""Links from a task to the 3Commas web app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

#: Page of an exchange account in the web app.
ACCOUNT_PAGE = "https://3commas.io/accounts/{account_id}"


class ThreeCommasLiquidationLink(BaseOperatorLink):
    """Link from a liquidation or a wait to the exchange account's page in the 3Commas web app."""

    @property
    def name(self) -> str:
        """Text of the button."""
        return "3Commas account"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address of the account's page; empty if the rendered task has no valid account id."""
        from airflow_provider_3commas.api.account_ids import parse_account_id
        from airflow_provider_3commas.api.errors import InvalidAccountId

        try:
            return ACCOUNT_PAGE.format(account_id=parse_account_id(getattr(operator, "account_id", None)))
        except InvalidAccountId:
            return ""
