"""Drift as Flux tells it: which commit it applied last, and whether it can keep the cluster at that.

Flux corrects what differs at every reconciliation and names no fields, so a Kustomization that is ready at the commit of
the ledger is in sync as far as its last reconciliation goes. So is one at a newer commit that contains it, where nothing in
between reaches the environment: Flux follows the branch, and only what a change reaches is deployed. Of one that is suspended, not ready or behind its own
specification nobody knows what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.deployments.dispatchers import ResourceState, Run
from apps.deployments.dispatchers.drift import TOLD, CannotTell, Finding, Found, at_other_commit, digest_of
from apps.deployments.dispatchers.kube_api import condition, metadata
from apps.deployments.dispatchers.kube_apply import has_no_state
from apps.deployments.dispatchers.remote import listed, mapping, plain_name
from apps.deployments.dispatchers.standing import DEGRADED, DOWN, Standing, of_parts
from apps.deployments.dispatchers.words import said

NOT_LOOKED = (
    "Flux names no single fields: what somebody changes by hand it takes back at its next reconciliation, and until then "
    "nobody tells."
)


def judge(run: Run, title: str, body: Mapping[str, Any], applied: str) -> Found:
    """``body``: the Kustomization or HelmRelease as it is; ``applied``: the commit that it applied last."""
    status = mapping(body.get("status"))
    if applied and applied != run.commit and not run.is_as_deployed(applied):
        there, digest = said(run.outside, applied, 12), digest_of(run.commit, applied)
        finding = Finding(plain_name(title), TOLD, "revision", run.commit[:12], there, digest=digest)
        return Found((finding,), (NOT_LOOKED,), (), 0)
    ready = condition(body, "Ready")
    message = said(run.outside, ready.get("message"))
    if mapping(body.get("spec")).get("suspend") is True:
        raise CannotTell("suspended", f"{title} is suspended, so Flux looks at nothing and takes nothing back.")
    if not applied:
        raise CannotTell("no_commit", f"{title} does not say which commit it applied. {message}".rstrip())
    if status.get("observedGeneration") != metadata(body).get("generation"):
        raise CannotTell("not_looked_yet", f"{title} was changed, and Flux has not acted on that yet.")
    if ready.get("status") != "True":
        raise CannotTell(
            "not_ready", f"{title} is not ready, so Flux does not know: {message or 'it says nothing more'}"
        )
    notes = (*at_other_commit(run, "Flux", applied), NOT_LOOKED)
    return Found((), notes, (), len(listed(mapping(status.get("inventory")).get("entries"))))


def standing(run: Run, title: str, body: Mapping[str, Any], resources: Iterable[ResourceState]) -> Standing:
    """How what it lists does. One that is not ready is not well, whatever of it still runs."""
    parts = [
        (f"{one.kind} {f'{one.namespace}/' if one.namespace else ''}{one.name}", one.health, one.message)
        for one in resources
        if not has_no_state(one.group, one.kind) and one.kind != "Job"
    ]
    found, ready = of_parts(parts), condition(body, "Ready")
    if ready.get("status") == "False" and found.word not in {DEGRADED, DOWN}:
        return Standing(DEGRADED, f"{title}: {said(run.outside, ready.get('message')) or 'it is not ready'}")
    return found
