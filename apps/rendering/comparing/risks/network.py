"""What becomes reachable, and what is no longer shielded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from apps.rendering.comparing.risks.addresses import is_everybody, is_many
from apps.rendering.comparing.risks.reading import at, mapping_at, mappings_at, shown, text_at, texts_at
from apps.rendering.model import Json, Risk, Weight

_Body = Mapping[str, Json]
_ROUTES = frozenset({"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"})
_DIRECTIONS = {"Ingress": ("ingress", "from", "lets in"), "Egress": ("egress", "to", "lets out")}


def network_facts(body: _Body) -> Iterator[Risk]:
    kind = text_at(body, "kind")
    if kind == "Service":
        yield from _service(body)
    elif kind == "Ingress":
        yield from _ingress(body)
    elif kind == "NetworkPolicy":
        yield from _policy(body)
    elif kind == "Gateway":
        yield from _gateway(body)
    elif kind in _ROUTES:
        yield from _hosts(texts_at(body, "spec", "hostnames"))
    elif kind == "VirtualService":
        yield from _hosts(texts_at(body, "spec", "hosts"))
    elif kind == "Route" and text_at(body, "spec", "host"):
        yield from _hosts([text_at(body, "spec", "host")])


def _service(body: _Body) -> Iterator[Risk]:
    spec = mapping_at(body, "spec")
    if spec.get("type") == "LoadBalancer":
        yield Risk("exposure", "A load balancer makes the service reachable from outside the cluster.", Weight.HIGH)
        if any(map(is_everybody, texts_at(spec, "loadBalancerSourceRanges"))):
            yield Risk("exposure", "The load balancer accepts every address (loadBalancerSourceRanges).", Weight.HIGH)
    if spec.get("type") == "NodePort":
        yield Risk("exposure", "The service is reachable on a port of every node (NodePort).")
    for address in texts_at(spec, "externalIPs"):
        yield Risk("exposure", f"The service takes the traffic for {shown(address)} (externalIPs).", Weight.HIGH)


def _ingress(body: _Body) -> Iterator[Risk]:
    if at(body, "spec", "defaultBackend") is not None:
        yield Risk("exposure", "All requests that match no rule are let in (defaultBackend).", Weight.HIGH)
    yield from _hosts([text_at(rule, "host") for rule in mappings_at(body, "spec", "rules")])


def _hosts(hosts: list[str]) -> Iterator[Risk]:
    for host in hosts:
        if host in {"", "*"}:
            yield Risk("exposure", "Becomes reachable under every host name.", Weight.HIGH)
        else:
            yield Risk("exposure", f"Becomes reachable as {shown(host)}.")


def _gateway(body: _Body) -> Iterator[Risk]:
    for listener in mappings_at(body, "spec", "listeners"):
        where = f"{shown(listener.get('protocol'))} port {shown(listener.get('port'))}"
        host = text_at(listener, "hostname")
        yield Risk("exposure", f"Listens on {where} for {shown(host) if host else 'every host name'}.", Weight.HIGH)
    for server in mappings_at(body, "spec", "servers"):
        yield from _hosts(texts_at(server, "hosts"))


def _policy(body: _Body) -> Iterator[Risk]:
    for rules, peers, verb in _DIRECTIONS.values():
        for rule in mappings_at(body, "spec", rules):
            ports = at(rule, "ports")
            where = f" on {_ports(rule)}" if ports else ""
            if not at(rule, peers):
                yield Risk("exposure", f"The network policy {verb} all traffic{where}.", Weight.HIGH)
            for peer in mappings_at(rule, peers):
                cidr = text_at(peer, "ipBlock", "cidr")
                weight = Weight.HIGH if is_everybody(cidr) or is_many(cidr) else Weight.MEDIUM
                yield Risk("exposure", f"The network policy {verb} {_peer(peer)}{where}.", weight)


def _ports(rule: _Body) -> str:
    """``TCP 8080, UDP 53``; a range with its end."""
    named = []
    for port in mappings_at(rule, "ports"):
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


def network_guards(before: _Body, after: _Body) -> Iterator[Risk]:
    kind = text_at(after, "kind")
    if kind == "NetworkPolicy":
        yield from _lost_isolation(before, after)
    elif kind == "Service":
        if at(before, "spec", "loadBalancerSourceRanges") and not at(after, "spec", "loadBalancerSourceRanges"):
            yield Risk("exposure", "The load balancer accepts every address (loadBalancerSourceRanges).", Weight.HIGH)
    elif kind == "Ingress":
        lost = _encrypted(before) - _encrypted(after)
        for host in sorted(lost):
            yield Risk("exposure", f"TLS for {shown(host)} is taken away.", Weight.HIGH)


def _lost_isolation(before: _Body, after: _Body) -> Iterator[Risk]:
    for direction in sorted(_isolated(before) - _isolated(after)):
        yield Risk("exposure", f"The network policy no longer restricts {direction.lower()}.", Weight.HIGH)
    if mapping_at(before, "spec", "podSelector") != mapping_at(after, "spec", "podSelector"):
        yield Risk("exposure", "The network policy shields other pods than before.", Weight.HIGH)


def _isolated(body: _Body) -> set[str]:
    named = texts_at(body, "spec", "policyTypes")
    return set(named) if named else {"Ingress", *(["Egress"] if at(body, "spec", "egress") else [])}


def _encrypted(body: _Body) -> set[str]:
    return {host for entry in mappings_at(body, "spec", "tls") for host in texts_at(entry, "hosts")}
