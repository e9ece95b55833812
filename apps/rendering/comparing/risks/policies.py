"""What network policies let through: only what nothing let through before is told, so a narrower policy is no risk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from apps.rendering.comparing.risks.addresses import is_everybody, is_inside, is_many
from apps.rendering.comparing.risks.reading import at, mapping_at, mappings_at, shown, text_at, texts_at
from apps.rendering.comparing.risks.selecting import selects_all_of
from apps.rendering.model import Json, ResourceChange, Risk, Weight

_Body = Mapping[str, Json]
_Rule = Mapping[str, Json]
_DIRECTIONS = {"Ingress": ("ingress", "from", "lets in"), "Egress": ("egress", "to", "lets out")}
_EVERYTHING: Mapping[str, Json] = {}
"""The port, or the peer, of a rule that names none."""
_LAST_PORT = 65_535


def policy_risks(change: ResourceChange) -> Iterator[Risk]:
    """Of a policy that is created, all that it lets through; of one that changes, what is new."""
    if change.id.kind != "NetworkPolicy" or change.after is None:
        return
    before = change.before
    if before is not None:
        yield from _lost_isolation(before, change.after)
    for direction, (rules, peers, verb) in _DIRECTIONS.items():
        if before is not None and direction not in _isolated(before):
            continue  # everything was let through
        known = mappings_at(before, "spec", rules)
        for rule in mappings_at(change.after, "spec", rules):
            yield from _gained(rule, known, peers, verb)


def _gained(rule: _Rule, known: list[_Rule], peers: str, verb: str) -> Iterator[Risk]:
    for peer in mappings_at(rule, peers) or [_EVERYTHING]:
        ports = mappings_at(rule, "ports") or [_EVERYTHING]
        gained = [port for port in ports if not any(_lets(old, peer, port, peers) for old in known)]
        if not gained:
            continue
        where = f" on {_ports(gained)}" if gained != [_EVERYTHING] else ""
        if peer is _EVERYTHING:
            yield Risk("exposure", f"The network policy {verb} all traffic{where}.", Weight.HIGH)
            continue
        cidr = text_at(peer, "ipBlock", "cidr")
        weight = Weight.HIGH if is_everybody(cidr) or is_many(cidr) else Weight.MEDIUM
        yield Risk("exposure", f"The network policy {verb} {_peer(peer)}{where}.", weight)


def _lets(rule: _Rule, peer: _Body, port: _Body, peers: str) -> bool:
    """Whether the rule lets all of this through."""
    held = any(_holds_port(old, port) for old in mappings_at(rule, "ports") or [_EVERYTHING])
    return held and any(_holds_peer(old, peer) for old in mappings_at(rule, peers) or [_EVERYTHING])


def _holds_peer(old: _Body, new: _Body) -> bool:
    if old is _EVERYTHING or new is _EVERYTHING:
        return old is _EVERYTHING
    block, other = mapping_at(old, "ipBlock"), mapping_at(new, "ipBlock")
    if block or other:
        return bool(block and other) and _holds_block(block, other)
    if not selects_all_of(at(old, "podSelector"), at(new, "podSelector")):
        return False
    spaces, others = at(old, "namespaceSelector"), at(new, "namespaceSelector")
    if spaces is None or others is None:
        return spaces == others or (spaces is not None and selects_all_of(spaces, None))
    return selects_all_of(spaces, others)


def _holds_block(block: _Body, other: _Body) -> bool:
    """What the wider block leaves out must be left out by the other one, too."""
    excepted = texts_at(other, "except")
    left_out = (
        each == text_at(other, "cidr")
        or is_inside(text_at(other, "cidr"), each)
        or is_inside(each, text_at(other, "cidr"))
        for each in texts_at(block, "except")
        if not any(is_inside(each, one) for one in excepted)
    )
    return is_inside(text_at(other, "cidr"), text_at(block, "cidr")) and not any(left_out)


def _holds_port(old: _Body, new: _Body) -> bool:
    if old is _EVERYTHING or new is _EVERYTHING:
        return old is _EVERYTHING
    if old.get("protocol", "TCP") != new.get("protocol", "TCP"):
        return False
    known, wanted = old.get("port"), new.get("port")
    if known is None or known == wanted:
        return known is None or _last(old, known) >= _last(new, wanted)
    if not isinstance(known, int) or not isinstance(wanted, int):
        return False
    return known <= wanted and _last(new, wanted) <= _last(old, known)


def _last(port: _Body, first: Json) -> int:
    """The end of a range; a name has none."""
    end = port.get("endPort", first)
    return end if isinstance(end, int) else (_LAST_PORT if first is None else 0)


def _ports(ports: list[_Body]) -> str:
    """``TCP 8080, UDP 53``; a range with its end."""
    named = []
    for port in ports:
        end = f"-{port['endPort']}" if "endPort" in port else ""
        named.append(f"{port.get('protocol', 'TCP')} {port.get('port', 'every port')}{end}")
    return shown(", ".join(named))


def _peer(peer: _Body) -> str:
    """Whose traffic, in words: the addresses, or the pods and their namespaces."""
    cidr = text_at(peer, "ipBlock", "cidr")
    if cidr:
        excepted = ", ".join(texts_at(peer, "ipBlock", "except"))
        return f"traffic of the addresses {shown(cidr)}{f' except {shown(excepted)}' if excepted else ''}"
    pods = _selected(peer, "podSelector", "pods")
    namespaces = _selected(peer, "namespaceSelector", "namespaces")
    return f"traffic of {' in '.join(part for part in (pods, namespaces) if part) or 'something unknown'}"


def _selected(peer: _Body, key: str, what: str) -> str:
    """``namespaces with team=web``; empty where the peer does not say."""
    if at(peer, key) is None:
        return ""
    selector = mapping_at(peer, key)
    labels = mapping_at(selector, "matchLabels")
    rest = {name: value for name, value in selector.items() if name != "matchLabels" and value}
    named = [f"{name}={value}" for name, value in sorted(labels.items())]
    named += [json.dumps(rest, sort_keys=True)] if rest else []
    return f"{what} with {shown(', '.join(named))}" if named else f"all {what}"


def _lost_isolation(before: _Body, after: _Body) -> Iterator[Risk]:
    for direction in sorted(_isolated(before) - _isolated(after)):
        yield Risk("exposure", f"The network policy no longer restricts {direction.lower()}.", Weight.HIGH)
    if not selects_all_of(mapping_at(after, "spec", "podSelector"), mapping_at(before, "spec", "podSelector")):
        yield Risk("exposure", "The network policy shields other pods than before.", Weight.HIGH)


def _isolated(body: _Body) -> set[str]:
    named = texts_at(body, "spec", "policyTypes")
    return set(named) if named else {"Ingress", *(["Egress"] if at(body, "spec", "egress") else [])}
