"""What dust became when it was converted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.simulator.amounts import ZERO, text

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.exchange_account import Conversion
    from airflow_provider_3commas.simulator.simulation import Simulation


def conversion(simulation: Simulation, converted: list[Conversion]) -> dict[str, Any]:
    """Build the reply of ``convert_dust_to_bnb``."""
    moment = int(simulation.clock.moment().timestamp() * 1000)
    return {
        "totalTransfered": text(sum((one.received for one in converted), ZERO)),
        "totalServiceCharge": text(sum((one.charge for one in converted), ZERO)),
        "transferResult": [
            {
                "tranId": one.number,
                "fromAsset": one.currency,
                "amount": text(one.amount),
                "transferedAmount": text(one.received),
                "serviceChargeAmount": text(one.charge),
                "operateTime": moment,
            }
            for one in converted
        ],
    }
