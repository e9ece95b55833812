"""What pods may do on their nodes, and which images they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apps.rendering.comparing.images import digest_of, tag_of
from apps.rendering.comparing.risks.reading import (
    at,
    containers,
    mapping_at,
    mappings_at,
    pod_annotations,
    pod_spec,
    shown,
    text_at,
    texts_at,
)
from apps.rendering.model import Json, ResourceChange, Risk, Weight

_Body = Mapping[str, Json]

_HOST = {
    "hostNetwork": "The pods use the network of their node (hostNetwork).",
    "hostPID": "The pods see all processes of their node (hostPID).",
    "hostIPC": "The pods share memory with their node (hostIPC).",
}
_STRONG = frozenset(
    "ALL SYS_ADMIN NET_ADMIN SYS_PTRACE SYS_MODULE SYS_RAWIO SYS_BOOT DAC_READ_SEARCH DAC_OVERRIDE BPF PERFMON MAC_ADMIN "
    "SYSLOG".split()
)
_SAFE_SYSCTLS = frozenset(
    "kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range "
    "net.ipv4.ip_unprivileged_port_start net.ipv4.ip_local_reserved_ports net.ipv4.tcp_keepalive_time "
    "net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes net.ipv4.tcp_rmem "
    "net.ipv4.tcp_wmem".split()
)
_CONFINED = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
"""SELinux types of the level ``baseline``."""
_OF_HOSTS = 1_000
"""Groups below this are those of nodes themselves, such as those of their disks and of their container runtime."""
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"

_SETTINGS: tuple[tuple[tuple[str, ...], Json, str, Weight], ...] = (
    (("privileged",), True, "is privileged", Weight.HIGH),
    (("windowsOptions", "hostProcess"), True, "runs as a process of its node (hostProcess)", Weight.HIGH),
    (("procMount",), "Unmasked", "sees all of /proc (procMount Unmasked)", Weight.HIGH),
    (("allowPrivilegeEscalation",), True, "may gain privileges (allowPrivilegeEscalation)", Weight.MEDIUM),
)


def pod_facts(body: _Body) -> Iterator[Risk]:
    spec = pod_spec(body)
    if body.get("kind") == "PersistentVolume" and (path := at(body, "spec", "hostPath", "path")) is not None:
        yield Risk("privilege", f"Pods that claim the volume see {shown(path)} of their node (hostPath).", Weight.HIGH)
    for field, text in _HOST.items():
        if spec.get(field) is True:
            yield Risk("privilege", text, Weight.HIGH)
    for volume in mappings_at(spec, "volumes"):
        if volume.get("hostPath") is not None:
            path = shown(at(volume, "hostPath", "path"))
            yield Risk("privilege", f"The pods see {path} of their node (hostPath).", Weight.HIGH)
    yield from _identity_facts(spec)
    yield from _shared_facts(spec)
    annotations = pod_annotations(body)
    for name, container in containers(spec):
        yield from _container_facts(name, container)
        yield from _effective_facts(name, container, spec)
        if annotations.get(f"{_APPARMOR}{name}") == "unconfined":
            yield _without_profile(name, "AppArmor unconfined")


def _shared_facts(spec: _Body) -> Iterator[Risk]:
    """What all containers of a pod have together."""
    if spec.get("shareProcessNamespace") is True:
        yield Risk(
            "privilege", "The containers of a pod see and may stop each other's processes (shareProcessNamespace)."
        )
    own = mapping_at(spec, "securityContext")
    groups = own.get("supplementalGroups")
    named = [("supplementalGroups", each) for each in groups] if isinstance(groups, list) else []
    for field, group in (*named, ("fsGroup", own.get("fsGroup"))):
        if isinstance(group, int) and not isinstance(group, bool) and 0 <= group < _OF_HOSTS:
            what = "the group of root" if group == 0 else f"group {group}, which nodes have, too"
            yield Risk("privilege", f"The containers are in {what} ({field}).")
    for sysctl in mappings_at(own, "sysctls"):
        if text_at(sysctl, "name") not in _SAFE_SYSCTLS:
            text = f"The pods set {shown(sysctl.get('name'))}, a setting of the kernel that is not safe (sysctls)."
            yield Risk("privilege", text, Weight.HIGH)


def _identity_facts(spec: _Body) -> Iterator[Risk]:
    if spec.get("automountServiceAccountToken") is True:
        yield Risk("rbac", "The pods get the token of their service account (automountServiceAccountToken).")
    account = text_at(spec, "serviceAccountName") or text_at(spec, "serviceAccount")  # its older name, which counts
    if account not in {"", "default"}:
        yield Risk("rbac", f"The pods act as service account {shown(account)}.")


def _container_facts(name: str, container: _Body) -> Iterator[Risk]:
    own = mapping_at(container, "securityContext")
    for way, value, text, weight in _SETTINGS:
        if at(own, *way) is value or (isinstance(value, str) and at(own, *way) == value):
            yield Risk("privilege", f"Container {name} {text}.", weight)
    for capability in texts_at(own, "capabilities", "add"):
        weight = Weight.HIGH if capability.removeprefix("CAP_") in _STRONG else Weight.MEDIUM
        yield Risk("privilege", f"Container {name} gets the capability {shown(capability)}.", weight)
    for port in mappings_at(container, "ports"):
        if port.get("hostPort"):
            yield Risk("exposure", f"Container {name} takes port {shown(port['hostPort'])} of its node (hostPort).")


def _effective_facts(name: str, container: _Body, spec: _Body) -> Iterator[Risk]:
    own = mapping_at(container, "securityContext")
    if _is_zero(_effective(own, spec, "runAsUser")):
        yield Risk("privilege", f"Container {name} runs as root (runAsUser 0).")
    for profile in ("seccompProfile", "appArmorProfile"):
        if at(_effective(own, spec, profile), "type") == "Unconfined":
            yield _without_profile(name, f"{profile} Unconfined")
    options = mapping_at({"of": _effective(own, spec, "seLinuxOptions")}, "of")
    if text_at(options, "type") not in _CONFINED or options.get("user") or options.get("role"):
        named = text_at(options, "type") or options.get("user") or options.get("role")
        yield Risk("privilege", f"Container {name} runs as {shown(named)} (seLinuxOptions).", Weight.HIGH)


def _without_profile(name: str, why: str) -> Risk:
    return Risk("privilege", f"Container {name} runs without a profile ({why}).", Weight.HIGH)


def _effective(own: _Body, spec: _Body, field: str) -> Json:
    """What the container says, else what its pod says."""
    value = own.get(field)
    return at(spec, "securityContext", field) if value is None else value


def _is_zero(value: Json) -> bool:
    return value == 0 and not isinstance(value, bool)


def pod_guards(before: _Body, after: _Body) -> Iterator[Risk]:
    """What kept containers in bounds before and does no more, for containers that are still there."""
    old, new = pod_spec(before), pod_spec(after)
    there = dict(containers(new))
    for name, container in containers(old):
        if name in there:
            lost = _guards(container, old) - _guards(there[name], new)
            for guard in sorted(lost):
                yield Risk("privilege", f"Container {name} is no longer held by {guard}.")
    was, now = old.get("automountServiceAccountToken"), new.get("automountServiceAccountToken")
    if was is False and new and now is None:
        yield Risk("rbac", "The pods may get the token of their service account (automountServiceAccountToken).")


def _guards(container: _Body, spec: _Body) -> set[str]:
    own = mapping_at(container, "securityContext")
    found = {
        "runAsNonRoot": _effective(own, spec, "runAsNonRoot") is True,
        "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is True,
        "allowPrivilegeEscalation: false": own.get("allowPrivilegeEscalation") is False,
        "dropping all capabilities": "ALL" in texts_at(own, "capabilities", "drop"),
        "a seccomp profile": text_at(_effective(own, spec, "seccompProfile"), "type")
        in {"RuntimeDefault", "Localhost"},
        "an AppArmor profile": text_at(_effective(own, spec, "appArmorProfile"), "type")
        in {"RuntimeDefault", "Localhost"},
    }
    return {guard for guard, holds in found.items() if holds}


def image_risks(change: ResourceChange) -> Iterator[Risk]:
    """Images that are new in their container and not pinned: without a tag, with ``latest``, without a digest."""
    if change.after is None:
        return
    known = {(name, one.get("image")) for name, one in _with_image(change.before or {})}
    for name, container in _with_image(change.after):
        image = container["image"]
        if (name, image) in known or digest_of(image):
            continue
        tag = tag_of(image)
        if tag != "latest":
            why = "has no digest: its tag can be moved to another image"
        elif image.endswith(":latest"):
            why = "has the tag latest, which moves with every release"
        else:
            why = "has neither tag nor digest: whatever is the latest is pulled"
        yield Risk("image", f"Image {shown(image)} of container {name} {why}.")


def _with_image(body: _Body) -> list[tuple[str, _Body]]:
    return [(name, one) for name, one in containers(pod_spec(body)) if isinstance(one.get("image"), str)]
