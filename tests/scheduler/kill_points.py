"""Where a liquidation is killed, and what then becomes of its sell."""

from __future__ import annotations

# Where the process is killed: what happens to the sell of the first try then, how many POSTs that makes, and how the
# task knows in the end that the account was sold.
#: By the injection in the task's process.
POINTS = {
    "before_intent": ("before intent", 1, "accepted"),
    "after_intent": ("after intent", 1, "accepted"),
    "before_outcome": ("before outcome", 1, "reconciled"),
    "after_outcome": ("after outcome", 1, "recorded"),
    "before_return": ("before return", 1, "recorded"),
}
#: While the simulator holds the sell, before or after carrying it out; released after the kill, or discarded.
IN_FLIGHT = {
    "in_flight_lost": ("before", True, 2, "accepted"),
    "in_flight_applied_later": ("before", False, 1, "reconciled"),
    "in_flight_applied": ("after", False, 1, "reconciled"),
}
#: The orphan of a killed supervisor goes on from where it is, so that its sell leaves.
ORPHANS = {"after_intent": "reconciled"}
VICTIMS = ("task", "supervisor")
#: Cases that wait for a heartbeat's timeout take longest.
SUPERVISOR_SECONDS = 30
#: Where the only try is killed before it has begun or right after, beside the points of the kill matrix.
BEGINNINGS = {"begun": ("before begun", 0, None), "after_begun": ("after begun", 1, "accepted")}
