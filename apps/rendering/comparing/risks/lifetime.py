"""What no longer runs, is no longer kept, or is done by a tool beside the change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apps.rendering.comparing.risks.reading import at, mapping_at, mappings_at, shown, text_at
from apps.rendering.model import Action, Json, ResourceChange, Risk, Weight

_Body = Mapping[str, Json]
_HOOKS = {
    "helm.sh/hook": "Helm runs it as a hook ({}), outside the release.",
    "helm.sh/hook-delete-policy": "Helm deletes it by itself ({}).",
    "argocd.argoproj.io/hook": "Argo CD runs it as a hook ({}).",
    "argocd.argoproj.io/hook-delete-policy": "Argo CD deletes it by itself ({}).",
}
_KEPT = {
    "helm.sh/resource-policy": ("keep", "Helm no longer keeps it when the release goes."),
    "argocd.argoproj.io/sync-options": ("Prune=false", "Argo CD may delete it when it is no longer in Git."),
    "kustomize.toolkit.fluxcd.io/prune": ("disabled", "Flux may delete it when it is no longer in Git."),
}
_NONE = {"0", "0%"}


def lifetime_facts(body: _Body) -> Iterator[Risk]:
    annotations = mapping_at(body, "metadata", "annotations")
    for name, text in _HOOKS.items():
        if name in annotations:
            yield Risk("hook", text.format(shown(annotations[name])))
    options = [option.strip() for option in text_at(annotations, "argocd.argoproj.io/sync-options").split(",")]
    for option in ("Replace=true", "Force=true"):
        if option in options:
            yield Risk("hook", f"Argo CD deletes it and creates it again to change it ({option}).", Weight.HIGH)
    if body.get("kind") == "PodDisruptionBudget":
        yield from _budget(body)
    yield from _deletions(body)


def _deletions(body: _Body) -> Iterator[Risk]:
    if at(body, "spec", "persistentVolumeReclaimPolicy") == "Delete":
        yield Risk("destroy", "The volume is deleted with its claim (persistentVolumeReclaimPolicy).", Weight.HIGH)
    for when, what in mapping_at(body, "spec", "persistentVolumeClaimRetentionPolicy").items():
        if what == "Delete":
            yield Risk("destroy", f"Claims are deleted with their pods ({shown(when)}).", Weight.HIGH)


def _budget(body: _Body) -> Iterator[Risk]:
    least, most = at(body, "spec", "minAvailable"), at(body, "spec", "maxUnavailable")
    if str(least) == "100%" or str(most) in _NONE:
        yield Risk("disruption", "No pod may be evicted: nodes that run one cannot be drained.")
    if str(least) in _NONE or str(most) == "100%":
        yield Risk("disruption", "All pods may be evicted at the same time.")


def lifetime_guards(before: _Body, after: _Body) -> Iterator[Risk]:
    old, new = mapping_at(before, "metadata", "annotations"), mapping_at(after, "metadata", "annotations")
    for name, (value, text) in _KEPT.items():
        if value in text_at(old, name).split(",") and value not in text_at(new, name).split(","):
            yield Risk("destroy", text, Weight.HIGH)
    if after.get("kind") == "CustomResourceDefinition":
        for version in sorted(_served(before) - _served(after)):
            yield Risk("destroy", f"Version {shown(version)} is served no longer; what uses it fails.", Weight.HIGH)


def _served(body: _Body) -> set[str]:
    versions = mappings_at(body, "spec", "versions")
    return {text_at(version, "name") for version in versions if version.get("served") is True}


def lifetime_risks(change: ResourceChange) -> Iterator[Risk]:
    if change.before is not None and change.after is not None:
        was, now = _replicas(change.before), _replicas(change.after)
        if now == 0 and was != 0:
            yield Risk("scale", f"{shown(change.id)} is scaled to zero: nothing of it runs any more.", Weight.HIGH)
        suspended = at(change.after, "spec", "suspend") is True and at(change.before, "spec", "suspend") is not True
        if suspended:
            yield Risk("scale", f"{shown(change.id)} is suspended.")
    if change.action is Action.DELETE and change.id.kind == "PodDisruptionBudget":
        yield Risk("disruption", "Nothing keeps a part of these pods running any more when nodes are drained.")


def _replicas(body: _Body) -> Json:
    value = at(body, "spec", "replicas")
    return None if isinstance(value, bool) else value
