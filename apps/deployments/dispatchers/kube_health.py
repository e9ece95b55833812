"""When an object of Kubernetes is what its specification asks for: the rules of kstatus (kubernetes-sigs/cli-utils), pure.

Answers are ``(health, words)`` with the words of :class:`~apps.deployments.dispatchers.ResourceState`; ``degraded`` means
that it will not become healthy by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.deployments.dispatchers.kube_api import condition, metadata
from apps.deployments.dispatchers.remote import mapping, plain

Health = tuple[str, str]
HEALTHY: Health = ("healthy", "")


def _waits(words: str) -> Health:
    return ("progressing", words)


def _failed(words: Any) -> Health:
    return ("degraded", plain(words) or "it failed")


def _number(found: Mapping[str, Any], key: str, default: int = 0) -> int:
    value = found.get(key, default)
    return value if isinstance(value, int) else default


def health(body: Mapping[str, Any] | None) -> Health:
    """The health of an object as the server has it now; ``None``: it is not there."""
    if body is None:
        return ("missing", "it is not there")
    if metadata(body).get("deletionTimestamp"):
        return _waits("it is being deleted")
    status = mapping(body.get("status"))
    seen, generation = status.get("observedGeneration"), metadata(body).get("generation")
    if seen is not None and seen != generation:
        return _waits("its controller has not seen it yet")
    rule = RULES.get((str(body.get("apiVersion")).rpartition("/")[0], str(body.get("kind"))))
    return rule(mapping(body.get("spec")), status, body) if rule else _generic(body)


def standing(body: Mapping[str, Any] | None) -> Health:
    """How it does long after its roll-out, in the words of ``dispatchers.standing``: what has not enough of itself is degraded
    then, and nothing of it up is down. Kinds without a state of their own are for the caller."""
    word, why = health(body)
    if word in {"healthy", "unknown"}:
        return (word, why)
    if word == "suspended":
        return ("unknown", why)
    is_down = body is None or _serves_nothing(body)
    return ("down" if is_down else "degraded", why)


def _serves_nothing(body: Mapping[str, Any]) -> bool:
    """Whether something that should have replicas has none that serves."""
    spec, status = mapping(body.get("spec")), mapping(body.get("status"))
    kind = str(body.get("kind"))
    if kind == "DaemonSet":
        return _number(status, "desiredNumberScheduled") > 0 and not _number(status, "numberAvailable")
    serving = {"Deployment": "availableReplicas", "ReplicaSet": "availableReplicas", "StatefulSet": "readyReplicas"}
    return kind in serving and _number(spec, "replicas", 1) > 0 and not _number(status, serving[kind])


def _generic(body: Mapping[str, Any]) -> Health:
    """By the conditions that most controllers write; without any it is what it is."""
    if condition(body, "Stalled").get("status") == "True":
        return _failed(condition(body, "Stalled").get("message"))
    if condition(body, "Reconciling").get("status") == "True":
        return _waits(plain(condition(body, "Reconciling").get("message")))
    ready = condition(body, "Ready")
    if ready and ready.get("status") != "True":
        return _waits(plain(ready.get("message")))
    return HEALTHY


def _replicas(wanted: int, counts: Mapping[str, int]) -> Health | None:
    """The first count that is not reached."""
    for words, count in counts.items():
        if count < wanted:
            return _waits(f"{words}: {count} of {wanted}")
    return None


def _deployment(spec: Mapping[str, Any], status: Mapping[str, Any], body: Mapping[str, Any]) -> Health:
    progress = condition(body, "Progressing")
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return _failed(progress.get("message"))
    if "observedGeneration" not in status:
        return _waits("its controller has not seen it yet")
    wanted, present = _number(spec, "replicas", 1), _number(status, "replicas")
    updated, available = _number(status, "updatedReplicas"), _number(status, "availableReplicas")
    missing = _replicas(wanted, {"updated": updated, "available": available, "ready": _number(status, "readyReplicas")})
    if missing:
        return missing
    return _waits("old replicas are being stopped") if present > updated else HEALTHY


def _stateful_set(spec: Mapping[str, Any], status: Mapping[str, Any], body: Mapping[str, Any]) -> Health:
    if "observedGeneration" not in status:
        return _waits("its controller has not seen it yet")
    strategy = mapping(spec.get("updateStrategy"))
    wanted = _number(spec, "replicas", 1)
    missing = _replicas(wanted, {"present": _number(status, "replicas"), "ready": _number(status, "readyReplicas")})
    if missing:
        return missing
    if strategy.get("type") == "OnDelete":
        return HEALTHY
    kept = _number(mapping(strategy.get("rollingUpdate")), "partition")
    if kept:
        return _replicas(max(0, wanted - kept), {"updated": _number(status, "updatedReplicas")}) or HEALTHY
    if status.get("currentRevision") != status.get("updateRevision"):
        return _waits("its revision is being rolled out")
    return HEALTHY


def _daemon_set(spec: Mapping[str, Any], status: Mapping[str, Any], body: Mapping[str, Any]) -> Health:
    if "observedGeneration" not in status:
        return _waits("its controller has not seen it yet")
    wanted = _number(status, "desiredNumberScheduled")
    counts = {"available": _number(status, "numberAvailable"), "ready": _number(status, "numberReady")}
    if mapping(spec.get("updateStrategy")).get("type") != "OnDelete":
        counts = {"updated": _number(status, "updatedNumberScheduled"), **counts}
    return _replicas(wanted, counts) or HEALTHY


def _replica_set(spec: Mapping[str, Any], status: Mapping[str, Any], body: Mapping[str, Any]) -> Health:
    if condition(body, "ReplicaFailure").get("status") == "True":
        return _waits(plain(condition(body, "ReplicaFailure").get("message")))
    counts = {"present": _number(status, "replicas"), "available": _number(status, "availableReplicas")}
    return _replicas(_number(spec, "replicas", 1), counts) or HEALTHY


def _job(spec: Mapping[str, Any], status: Mapping[str, Any], body: Mapping[str, Any]) -> Health:
    """kstatus is content with a Job that has begun; a deployment is not over before it has ended."""
    if condition(body, "Failed").get("status") == "True":
        return _failed(condition(body, "Failed").get("message"))
    if condition(body, "Complete").get("status") == "True":
        return HEALTHY
    if spec.get("suspend") is True:
        return ("suspended", "it is suspended")
    return _waits("it runs")


def _claim(spec: Mapping[str, Any], status: Mapping[str, Any], body: Mapping[str, Any]) -> Health:
    phase = str(status.get("phase") or "Pending")
    if phase == "Lost":
        return _failed("its volume is lost")
    return HEALTHY if phase == "Bound" else _waits(f"it is {plain(phase, 40)}")


def _definition(spec: Mapping[str, Any], status: Mapping[str, Any], body: Mapping[str, Any]) -> Health:
    if condition(body, "NamesAccepted").get("status") == "False":
        return _failed(condition(body, "NamesAccepted").get("message"))
    return HEALTHY if condition(body, "Established").get("status") == "True" else _waits("it is not established")


def _pod(spec: Mapping[str, Any], status: Mapping[str, Any], body: Mapping[str, Any]) -> Health:
    phase = status.get("phase")
    if phase == "Failed":
        return _failed(status.get("message"))
    ready = condition(body, "Ready").get("status") == "True"
    return HEALTHY if phase == "Succeeded" or (phase == "Running" and ready) else _waits(f"it is {plain(phase, 40)}")


def _namespace(spec: Mapping[str, Any], status: Mapping[str, Any], body: Mapping[str, Any]) -> Health:
    return HEALTHY if status.get("phase", "Active") == "Active" else _waits("it is being deleted")


RULES: Mapping[tuple[str, str], Callable[[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]], Health]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("batch", "Job"): _job,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("", "Namespace"): _namespace,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
