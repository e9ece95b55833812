"""What reviewers must not overlook. Only what a change brings is a risk, never what was there before it.

Most risks are *facts* of one body: those of the new body that the old one does not have. *Guards* are the reverse: what
protected before and does no more. ``code`` is one of ``CODES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from apps.rendering.comparing.risks.access import access_risks
from apps.rendering.comparing.risks.actions import action_risks
from apps.rendering.comparing.risks.admission import admission_guards
from apps.rendering.comparing.risks.lifetime import lifetime_facts, lifetime_guards, lifetime_risks
from apps.rendering.comparing.risks.network import network_facts, network_guards
from apps.rendering.comparing.risks.pods import image_risks, pod_facts, pod_guards
from apps.rendering.comparing.risks.policies import policy_risks
from apps.rendering.model import Json, ResourceChange, Risk, Weight

CODES: Mapping[str, str] = MappingProxyType({
    "destroy": "something is deleted",
    "replace": "something is deleted and created again",
    "rbac": "somebody may do more in the cluster",
    "iam": "something acts as an identity outside the cluster",
    "exposure": "something is reachable, or no longer shielded",
    "privilege": "a container may do more on its node",
    "image": "an image can change without a change here",
    "admission": "what refused or changed objects does so no longer, or for fewer of them",
    "hook": "a tool runs or deletes something beside the change itself",
    "scale": "nothing is left running",
    "disruption": "maintenance of nodes stops too much, or cannot go on",
    "restart": "pods are replaced although nothing else changes",
    "state": "only what a tool remembers of a resource changes, or that it manages it",
})  # fmt: skip

_Body = Mapping[str, Json]
_FACTS: tuple[Callable[[_Body], Iterable[Risk]], ...] = (pod_facts, network_facts, lifetime_facts)
_GUARDS: tuple[Callable[[_Body, _Body], Iterable[Risk]], ...] = (
    pod_guards,
    network_guards,
    lifetime_guards,
    admission_guards,
)
_OF_CHANGES: tuple[Callable[[ResourceChange], Iterable[Risk]], ...] = (
    action_risks,
    access_risks,
    lifetime_risks,
    image_risks,
    policy_risks,
)


def risks_of(change: ResourceChange) -> tuple[Risk, ...]:
    """The risks that ``change`` brings, the heavy ones first."""
    found: dict[Risk, None] = {}
    for of_change in _OF_CHANGES:
        found.update(dict.fromkeys(of_change(change)))
    if change.after is not None:
        for facts in _FACTS:
            known = set(facts(change.before)) if change.before is not None else set()
            found.update(dict.fromkeys(risk for risk in facts(change.after) if risk not in known))
    if change.before is not None and change.after is not None:
        for guards in _GUARDS:
            found.update(dict.fromkeys(guards(change.before, change.after)))
    return tuple(sorted(found, key=lambda risk: risk.weight is not Weight.HIGH))
