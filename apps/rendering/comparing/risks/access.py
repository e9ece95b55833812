"""Who may do more than before: roles, bindings, and identities outside the cluster.

A permission is new only if nothing that was granted covers it: after ``*`` there is nothing more to gain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from apps.rendering.comparing.risks.reading import at, mapping_at, mappings_at, shown, text_at, texts_at
from apps.rendering.model import Json, ResourceChange, Risk, Weight

_Body = Mapping[str, Json]
Permission = tuple[str, str, str, str]
"""Verb, group, resource (or a path, with the group ``url``), name; an empty name is all of them."""

MAX_PERMISSIONS = 20_000
_ROLES = frozenset({"Role", "ClusterRole"})
_BINDINGS = frozenset({"RoleBinding", "ClusterRoleBinding"})
_ANY = "*"
_URL = "url"
_READ = frozenset({"get", "list", "watch", _ANY})
_STRONG_VERBS = frozenset({_ANY, "escalate", "bind", "impersonate"})
_STRONG_RESOURCES = frozenset(
    "* pods/exec pods/attach pods/ephemeralcontainers nodes/proxy serviceaccounts/token certificatesigningrequests/approval "
    "roles clusterroles rolebindings clusterrolebindings mutatingwebhookconfigurations validatingwebhookconfigurations".split()
)
_EVERYBODY = frozenset({"system:authenticated", "system:unauthenticated", "system:anonymous", "system:masters"})
_STRONG_ROLES = frozenset({"cluster-admin", "admin", "system:masters"})
_IDENTITIES = ("eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id")
_AGGREGATES = "rbac.authorization.k8s.io/aggregate-to-"


def access_risks(change: ResourceChange) -> Iterator[Risk]:
    after, before = change.after, change.before or {}
    if after is None:
        return
    if change.id.kind in _ROLES:
        yield from _gained(before, after)
    if change.id.kind in _BINDINGS:
        known = set(_bound(before))
        yield from (risk for risk in _bound(after) if risk not in known)
    if change.id.kind == "ServiceAccount":
        yield from _account(before, after)


def _gained(before: _Body, after: _Body) -> Iterator[Risk]:
    old, new = _permissions(before), _permissions(after)
    if old is None or new is None:
        yield Risk("rbac", "The rules grant too much to be compared; read them as new.", Weight.HIGH)
        return
    gained = [one for one in new if not _is_covered(one, old)]
    yield from _said([one for one in gained if _is_strong(one)], Weight.HIGH)
    yield from _said([one for one in gained if not _is_strong(one)], Weight.MEDIUM)
    yield from _taken_over(before, after)
    labels = mapping_at(before, "metadata", "labels")
    for label, value in mapping_at(after, "metadata", "labels").items():
        if label.startswith(_AGGREGATES) and value == "true" and labels.get(label) != "true":
            role = shown(label.removeprefix(_AGGREGATES))
            yield Risk("rbac", f"All who have the cluster role {role} get these rules, too.", Weight.HIGH)


def _taken_over(before: _Body, after: _Body) -> Iterator[Risk]:
    """Selectors by which a cluster role takes over the rules of others."""
    known = mappings_at(mapping_at(before, "aggregationRule"), "clusterRoleSelectors")
    for selector in mappings_at(mapping_at(after, "aggregationRule"), "clusterRoleSelectors"):
        if selector in known:
            continue
        labels = ", ".join(f"{key}={value}" for key, value in mapping_at(selector, "matchLabels").items())
        some = (
            f"all cluster roles that {shown(labels)} selects" if labels else "all cluster roles that a selector names"
        )
        yield Risk(
            "rbac",
            f"It takes over the rules of {some if any(selector.values()) else 'every cluster role'}.",
            Weight.HIGH,
        )


def _permissions(body: _Body) -> dict[Permission, None] | None:
    """All permissions of a role; ``None`` where there are too many to write them out."""
    found: dict[Permission, None] = {}
    for rule in mappings_at(body, "rules"):
        verbs = texts_at(rule, "verbs")
        groups, resources = texts_at(rule, "apiGroups"), texts_at(rule, "resources")
        names, urls = texts_at(rule, "resourceNames") or [""], texts_at(rule, "nonResourceURLs")
        size = len(verbs) * (len(groups) * len(resources) * len(names) + len(urls))
        if size + len(found) > MAX_PERMISSIONS:
            return None
        found.update(dict.fromkeys(product(verbs, groups, resources, names)))
        found.update(dict.fromkeys((verb, _URL, url, "") for verb, url in product(verbs, urls)))
    return found


def _is_covered(one: Permission, granted: Mapping[Permission, None]) -> bool:
    verb, group, resource, name = one
    if group == _URL:
        wider = {resource, _ANY, *(f"{resource[:end]}*" for end in range(len(resource)))}
        return any((v, _URL, url, "") in granted for v in (verb, _ANY) for url in wider)
    below = [f"*/{resource.partition('/')[2]}"] if "/" in resource else []
    ways = product((verb, _ANY), (group, _ANY), (resource, _ANY, *below), (name, ""))
    return any(way in granted for way in ways)


def _is_strong(one: Permission) -> bool:
    verb, group, resource, _ = one
    if verb in _STRONG_VERBS or _ANY in {group, resource} or (group == _URL and resource.endswith(_ANY)):
        return True
    if resource == "secrets":
        return verb in _READ
    return resource in _STRONG_RESOURCES and (verb not in {"list", "watch", "get"} or "/" in resource)


def _said(permissions: list[Permission], weight: Weight) -> Iterator[Risk]:
    """One sentence for all resources with the same verbs."""
    verbs: dict[str, dict[str, None]] = {}
    for verb, group, resource, name in permissions:
        what = resource if group in {"", _URL} else f"{resource}.{group}"
        verbs.setdefault(f"{what} ({name})" if name else what, {})[verb] = None
    resources: dict[tuple[str, ...], list[str]] = {}
    for what, may in verbs.items():
        resources.setdefault(tuple(sorted(may)), []).append(what)
    for names, things in resources.items():
        yield Risk("rbac", f"Grants {_some(list(names))} on {_some(things)}.", weight)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(shown(name) for name in names[:12]) + more


def _bound(body: _Body) -> Iterator[Risk]:
    role = f"{text_at(body, 'roleRef', 'kind')} {text_at(body, 'roleRef', 'name')}"
    namespace = text_at(body, "metadata", "namespace") or "its namespace"
    where = "the whole cluster" if body.get("kind") == "ClusterRoleBinding" else namespace
    for subject in mappings_at(body, "subjects"):
        name = text_at(subject, "name")
        strong = text_at(body, "roleRef", "name") in _STRONG_ROLES or name in _EVERYBODY
        strong = strong or name.startswith("system:serviceaccounts")
        whole = "/".join(part for part in (text_at(subject, "namespace"), name) if part)
        who = f"{shown(subject.get('kind'))} {shown(whole)}"
        weight = Weight.HIGH if strong else Weight.MEDIUM
        yield Risk("rbac", f"Gives {shown(role)} to {who} in {shown(where)}.", weight)


def _account(before: _Body, after: _Body) -> Iterator[Risk]:
    old, new = mapping_at(before, "metadata", "annotations"), mapping_at(after, "metadata", "annotations")
    for name in _IDENTITIES:
        if name in new and new[name] != old.get(name):
            yield Risk("iam", f"Pods with this account act as {shown(new[name])} ({name}).", Weight.HIGH)
    was, now = at(before, "automountServiceAccountToken"), at(after, "automountServiceAccountToken")
    if now is True and was is not True:
        yield Risk("rbac", "Pods with this account get its token (automountServiceAccountToken).")
    elif was is False and now is None:
        yield Risk("rbac", "Pods with this account get its token again (automountServiceAccountToken).")
