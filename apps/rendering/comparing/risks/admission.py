"""What kept bad objects out of the cluster and does so no longer: levels of namespaces, webhooks, admission policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from apps.rendering.comparing.risks.reading import at, mapping_at, mappings_at, shown, text_at, texts_at
from apps.rendering.comparing.risks.selecting import selects_all_of
from apps.rendering.model import Json, Risk, Weight

_Body = Mapping[str, Json]
_ENFORCE = "pod-security.kubernetes.io/enforce"
_LEVELS = {"baseline": 1, "restricted": 2}
_WEBHOOKS = frozenset({"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"})
_POLICIES = frozenset({"ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"})
_BINDINGS = frozenset({"ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding"})
_SELECTORS = {"namespaceSelector": "fewer namespaces", "objectSelector": "fewer objects"}
_PARTS = ("operations", "apiGroups", "apiVersions", "resources")
_ANY = "*"


def admission_guards(before: _Body, after: _Body) -> Iterator[Risk]:
    kind = text_at(after, "kind")
    if kind == "Namespace":
        yield from _level(before, after)
    elif kind in _WEBHOOKS:
        yield from _webhooks(before, after)
    elif kind in _POLICIES:
        named = f"The policy {shown(text_at(after, 'metadata', 'name'))}"
        yield from _fails(mapping_at(before, "spec"), mapping_at(after, "spec"), named)
        yield from _narrowed(_constraints(before), _constraints(after), named)
    elif kind in _BINDINGS:
        yield from _binding(before, after)


def _level(before: _Body, after: _Body) -> Iterator[Risk]:
    """A namespace without the label takes every pod, as ``privileged`` does."""
    was, now = (text_at(mapping_at(body, "metadata", "labels"), _ENFORCE) for body in (before, after))
    if _LEVELS.get(now, 0) < _LEVELS.get(was, 0):
        named = f"{shown(now)} instead of {was}" if now else f"nothing instead of {was}"
        yield Risk("privilege", f"The namespace enforces {named} for its pods (pod security).", Weight.HIGH)


def _webhooks(before: _Body, after: _Body) -> Iterator[Risk]:
    there = {text_at(each, "name"): each for each in mappings_at(after, "webhooks")}
    for old in mappings_at(before, "webhooks"):
        name = text_at(old, "name")
        if name not in there:
            yield Risk("admission", f"The webhook {shown(name)} is taken away: nothing is asked of it.", Weight.HIGH)
            continue
        yield from _fails(old, there[name], f"The webhook {shown(name)}")
        yield from _narrowed(old, there[name], f"The webhook {shown(name)}")


def _fails(old: _Body, new: _Body, what: str) -> Iterator[Risk]:
    if old.get("failurePolicy", "Fail") == "Fail" and new.get("failurePolicy", "Fail") == "Ignore":
        text = f"{what} is passed over where it fails (failurePolicy Ignore)."
        yield Risk("admission", text, Weight.HIGH)


def _narrowed(old: _Body, new: _Body, what: str) -> Iterator[Risk]:
    """What is asked about less than before: by its rules, its selectors or its conditions."""
    rules = mappings_at(new, "rules") + mappings_at(new, "resourceRules")
    lost = [
        each
        for each in mappings_at(old, "rules") + mappings_at(old, "resourceRules")
        if not all(any(_holds(rule, one, each) for rule in rules) for one in product(*_texts(each)))
    ]
    if lost:
        resources = ", ".join(texts_at(lost[0], "resources"))
        yield Risk("admission", f"{what} is no longer asked about all that it was: {shown(resources)}.", Weight.HIGH)
    for selector, fewer in _SELECTORS.items():
        if not selects_all_of(at(new, selector), at(old, selector)):
            yield Risk("admission", f"{what} is asked about {fewer} ({selector}).", Weight.HIGH)
    known = [text_at(each, "expression") for each in mappings_at(old, "matchConditions")]
    if any(text_at(each, "expression") not in known for each in mappings_at(new, "matchConditions")):
        yield Risk("admission", f"{what} is asked under other conditions (matchConditions).", Weight.HIGH)


def _texts(rule: _Body) -> list[list[str]]:
    return [texts_at(rule, part) for part in _PARTS]


def _holds(rule: _Body, wanted: tuple[str, ...], old: _Body) -> bool:
    """Whether a rule still asks about one combination of an old one."""
    scope = rule.get("scope", _ANY)
    if scope not in {_ANY, old.get("scope", _ANY)} or texts_at(rule, "resourceNames"):
        return rule == old
    return all(each in known or _holds_any(known, each) for each, known in zip(wanted, _texts(rule), strict=True))


def _holds_any(known: list[str], wanted: str) -> bool:
    """``*`` is everything but subresources, ``*/*`` everything, ``pods/*`` all of pods."""
    whole = _ANY in known and "/" not in wanted
    return whole or f"{_ANY}/{_ANY}" in known or f"{wanted.partition('/')[0]}/{_ANY}" in known


def _constraints(body: _Body) -> _Body:
    spec = mapping_at(body, "spec")
    return {**mapping_at(spec, "matchConstraints"), "matchConditions": spec.get("matchConditions")}


def _binding(before: _Body, after: _Body) -> Iterator[Risk]:
    name = f"The binding {shown(text_at(after, 'metadata', 'name'))}"
    was, now = (texts_at(body, "spec", "validationActions") for body in (before, after))
    if "Deny" in was and "Deny" not in now:
        yield Risk("admission", f"{name} no longer denies what its policy refuses: {', '.join(now)}.", Weight.HIGH)
    yield from _narrowed(
        mapping_at(before, "spec", "matchResources"), mapping_at(after, "spec", "matchResources"), name
    )
    if text_at(before, "spec", "policyName") != text_at(after, "spec", "policyName"):
        yield Risk("admission", f"{name} binds another policy than before.", Weight.HIGH)
