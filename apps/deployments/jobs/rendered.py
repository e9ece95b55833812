"""What ``via: kubernetes`` applies: made once an attempt, compared with what was approved, and sealed until the run is over.

Sealed, because it has the secrets that nothing else stored of a rendering has; and made once, so that every look at the
run, by whichever worker, applies the same bytes.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

from apps.changes.effects.applying import Applicable, applicable
from apps.changes.effects.targets import target_of
from apps.changes.effects.tools import fingerprint_of
from apps.core.errors import Conflict
from apps.core.secrets import decrypt, encrypt
from apps.deployments.dispatchers import Refused, ToApply
from apps.deployments.jobs.brought import brought_before
from apps.deployments.models import Attempt, Deployment
from apps.deployments.transitions import LeaseLost
from apps.policies.queries import policy_at
from apps.rendering.comparing.codec import decode_value, encode_value
from apps.rendering.model import Resource
from apps.rendering.protocol import Target
from apps.rendering.redaction import redact_raw_value

MOST = 4 * 1024 * 1024
"""Bytes of a rendering that are kept with an attempt, packed."""


def needs_rendering(deployment: Deployment) -> bool:
    """Whether the plan applies the resources of a target."""
    return deployment.plan["via"] == "kubernetes" and bool(deployment.plan["raw"].get("target"))


def sealed_rendering(deployment: Deployment, fence: int) -> str:
    """Render and compare with what was approved; :class:`Refused` says why that is not what would be applied."""
    seconds = 4 * settings.PORTAL_RENDER_SECONDS + settings.PORTAL_LEASE_SECONDS
    if not Deployment.objects.renew(deployment.pk, fence=fence, seconds=seconds):
        raise LeaseLost
    revision = deployment.change.revision
    if revision is None:
        raise Refused("not_as_approved", f"{deployment.change.label} has no revision that was approved.")
    try:
        rendering = applicable(revision, deployment.commit, target_at(deployment))
    except Conflict as problem:
        raise Refused(problem.code, problem.message) from problem
    return _sealed(rendering, str(deployment.plan["raw"]["target"]))


def target_at(deployment: Deployment) -> Target:
    """The target that the plan names, as ``portal.yaml`` defines it at the deployed commit; :class:`Refused` where it does not."""
    name = deployment.plan["raw"].get("target")
    repository = deployment.environment.repository
    config = policy_at(repository, deployment.change.target_branch, deployment.commit).config
    environment = config.environment(deployment.environment.name)
    found = next((one for one in environment.targets if one.name == name), None) if environment else None
    if environment is None or found is None:
        message = f"portal.yaml names no target {name!r} for {deployment.environment.name} at {deployment.commit[:10]}."
        raise Refused("no_target", message)
    return target_of(environment, found)


def _sealed(rendering: Applicable, name: str) -> str:
    document = {
        "digest": rendering.digest,
        "resources": [encode_value(placed_body(one)) for one in rendering.resources],
    }
    packed = zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 6)
    if len(packed) > MOST:
        raise Refused(
            "too_large", f"What {name} renders is too large to be applied by the portal ({MOST >> 20} MB packed)."
        )
    return encrypt(base64.b64encode(packed).decode())


def placed_body(resource: Resource) -> dict[str, Any]:
    """The body with the namespace that the target gives it."""
    body = dict(resource.body)
    metadata = dict(body["metadata"])
    if resource.id.namespace:
        metadata.setdefault("namespace", resource.id.namespace)
    return {**body, "metadata": metadata}


def to_apply(deployment: Deployment, attempt: Attempt) -> ToApply | None:
    """What was sealed, opened; ``None`` where the plan applies nothing."""
    if not attempt.sealed_rendering or not needs_rendering(deployment):
        return None
    document = json.loads(zlib.decompress(base64.b64decode(decrypt(attempt.sealed_rendering))))
    return ToApply(
        tuple(decode_value(body) for body in document["resources"]),
        str(document["digest"]),
        _hiding(deployment),
        brought_before(attempt),
    )


def _hiding(deployment: Deployment) -> Callable[[Mapping[str, Any]], Any]:
    """Without the secrets that everybody, and the repository, calls so."""
    revision = deployment.change.revision
    if revision is None:  # then nothing was sealed either
        raise Refused("not_as_approved", f"{deployment.change.label} has no revision that was approved.")
    hide = fingerprint_of(revision)
    return lambda value: redact_raw_value(value, hide)
