"""What is lost when something is deleted, or deleted and created again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apps.rendering.comparing.paths import words
from apps.rendering.comparing.risks.reading import shown
from apps.rendering.comparing.rules import ORDER
from apps.rendering.model import Action, ResourceChange, ResourceId, Risk, Weight

_HEAVY: Mapping[tuple[str, str], str] = {
    ("", "PersistentVolumeClaim"): "The data on its volume may be lost.",
    ("", "PersistentVolume"): "The data on it may be lost.",
    ("", "Namespace"): "Everything in it is deleted, too.",
    ("", "Secret"): "Whatever reads it fails.",
    ("", "Node"): "Its pods are lost.",
    ("apps", "StatefulSet"): "Its pods stop, and their volumes may be left behind or deleted.",
    ("apiextensions.k8s.io", "CustomResourceDefinition"): "All resources of this kind are deleted, too.",
    ("networking.k8s.io", "NetworkPolicy"): "The traffic that it kept out is let in.",
    ("gateway.networking.k8s.io", "Gateway"): "Everything behind it becomes unreachable.",
    ("storage.k8s.io", "StorageClass"): "Claims that name it are not served.",
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): "What it refused is allowed.",
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): "What it refused or changed is let in as it is.",
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): "What it refused is allowed.",
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): "What it refused is allowed.",
    ("kustomize.toolkit.fluxcd.io", "Kustomization"): "Everything that it applied may be deleted, too.",
    ("helm.toolkit.fluxcd.io", "HelmRelease"): "The release is uninstalled.",
    ("argoproj.io", "Application"): "Everything that it applied may be deleted, too.",
}
_DATABASES = (
    "postgres postgresql cnpg mysql mariadb percona mongodb redis valkey cassandra scylla elasticsearch opensearch kafka "
    "rabbitmq etcd clickhouse cockroach influx neo4j database couchbase dbinstance minio"
).split()
_ROLLING = {("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet")}
_TEMPLATE = ("spec", "template")


def action_risks(change: ResourceChange) -> Iterator[Risk]:
    """Deletions, replacements, and restarts for another order alone."""
    name = shown(change.id)
    loss = _loss(change.id)
    weight = Weight.HIGH if loss else Weight.MEDIUM
    if change.action is Action.DELETE:
        yield Risk("destroy", f"{name} is deleted. {loss}".strip(), weight)
    elif change.action is Action.REPLACE:
        fields = ", ".join(shown(words(path)) for path in change.replace_paths[:5])
        why = f" because {fields} cannot be changed in place" if fields else ""
        yield Risk("replace", f"{name} must be deleted and created again{why}.", weight)
        if loss:
            yield Risk("destroy", f"{name} is deleted on the way. {loss}", weight)
    elif _restarts_for_order(change):
        yield Risk("restart", f"The pods of {name} may be replaced, although only an order changes in their template.")


def _loss(identity: ResourceId) -> str:
    known = _HEAVY.get((identity.api, identity.kind))
    if known:
        return known
    kind = f"{identity.kind}.{identity.api}".lower()
    return (
        "It is a database; its data may be lost." if identity.api and any(name in kind for name in _DATABASES) else ""
    )


def _restarts_for_order(change: ResourceChange) -> bool:
    if (change.id.api, change.id.kind) not in _ROLLING:
        return False
    inside = [field for field in change.fields if field.path[:2] == _TEMPLATE]
    return any(field.rule == ORDER for field in inside) and all(field.rule for field in inside)
