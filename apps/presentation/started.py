"""Who had an attempt of a deployment run: who pressed Start, scheduled it or tried it again, or nobody, where it starts by itself."""

from __future__ import annotations

from dataclasses import dataclass

from apps.audit.models import AuditEntry
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment

WORDS = {
    "deployment.requested": "started by",
    "deployment.scheduled": "scheduled by",
    "deployment.retried": "tried again by",
}
ON_RECORD = ("deployment.created", "deployment.unscheduled", *WORDS)


@dataclass(frozen=True, slots=True)
class Started:
    """``words`` (“tried again by”) and the username behind them; without one the words say all: “started by itself after staging”.

    ``is_requester``: whoever asked for the deployment started it as well.
    """

    words: str = ""
    username: str = ""
    is_requester: bool = False


def started(deployment: Deployment, attempt: int) -> Started:
    """How ``attempt`` came to run (0: none has); while a new one waits, how that one will. One query; empty: nothing is known."""
    waits = deployment.status == Status.PENDING and attempt == deployment.attempts
    number = attempt + 1 if waits else attempt
    entries = AuditEntry.objects.filter(deployment_number=deployment.number, action__in=ON_RECORD).order_by("seq")
    found: dict[int, Started] = {}
    coming = 1  # the attempt that the next entries are about
    for action, actor, data in entries.values_list("action", "actor", "data"):
        if action == "deployment.retried":
            coming = int(data.get("attempt", 0)) + 1
        by_hand = action == "deployment.requested" and actor["id"] == deployment.requested_by_id
        found[coming] = Started(WORDS.get(action, ""), actor["name"] if action in WORDS else "", by_hand)
    known = found.get(number)
    if known is None or known.words or waits:
        return known or Started()
    after = deployment.environment.after
    return Started(f"started by itself after {' and '.join(after)}" if after else "started by itself")
