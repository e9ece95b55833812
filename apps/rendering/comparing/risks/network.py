"""What becomes reachable, and what is no longer shielded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apps.rendering.comparing.risks.addresses import is_everybody, is_inside, is_many
from apps.rendering.comparing.risks.reading import at, mapping_at, mappings_at, shown, text_at, texts_at
from apps.rendering.model import Json, Risk, Weight

_Body = Mapping[str, Json]
_ROUTES = frozenset({"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"})
_WITH_HOSTS = frozenset({"HTTPRoute", "GRPCRoute", "TLSRoute"})
"""Routes that take every host name of their gateway where they name none."""
_ITS_HOSTS = "the hosts of the rules"
_ALLOWED = ("whitelist-source-range", "allowlist-source-range", "/inbound-cidrs", "/allow-list", "/whitelist")
_ASKS = ("/auth-type", "/auth-url", "/auth-tls-secret")
_Path = tuple[str, bool]
"""A path, and whether only exactly this one is meant."""


def network_facts(body: _Body) -> Iterator[Risk]:
    kind = text_at(body, "kind")
    if kind == "Service":
        yield from _service(body)
    elif kind == "Ingress":
        yield from _ingress(body)
    elif kind == "Gateway":
        yield from _gateway(body)
    elif kind in _ROUTES:
        yield from _hosts(texts_at(body, "spec", "hostnames") or ([""] if kind in _WITH_HOSTS else []))
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


def network_guards(before: _Body, after: _Body) -> Iterator[Risk]:
    kind = text_at(after, "kind")
    if kind == "Service":
        yield from _ranges(before, after)
    elif kind == "Ingress":
        yield from _lost_encryption(before, after)
        yield from _wider_paths(before, after)
        yield from _annotations(before, after)


def _ranges(before: _Body, after: _Body) -> Iterator[Risk]:
    if at(after, "spec", "type") != "LoadBalancer":
        return
    was, now = (texts_at(body, "spec", "loadBalancerSourceRanges") for body in (before, after))
    if was and not now:
        yield Risk("exposure", "The load balancer accepts every address (loadBalancerSourceRanges).", Weight.HIGH)
    for address in _gained(was, now):
        if not is_everybody(address):  # told already
            text = f"The load balancer accepts {shown(address)}, too (loadBalancerSourceRanges)."
            yield Risk("exposure", text, Weight.HIGH if is_many(address) else Weight.MEDIUM)


def _gained(was: list[str], now: list[str]) -> list[str]:
    """Ranges that are in none of those before, where there were some."""
    return [each for each in now if was and not any(is_inside(each, old) for old in was)]


def _lost_encryption(before: _Body, after: _Body) -> Iterator[Risk]:
    for host in sorted(_encrypted(before) - _encrypted(after)):
        yield Risk("exposure", f"TLS for {shown(host)} is taken away.", Weight.HIGH)


def _encrypted(body: _Body) -> set[str]:
    """The hosts of ``tls``; an entry without hosts is for those of the rules."""
    entries = mappings_at(body, "spec", "tls")
    found = {host for entry in entries for host in texts_at(entry, "hosts")}
    return found | ({_ITS_HOSTS} if any(not texts_at(entry, "hosts") for entry in entries) else set())


def _wider_paths(before: _Body, after: _Body) -> Iterator[Risk]:
    """Paths of hosts that were there before; new hosts are told whole."""
    known = _paths(before)
    for host, paths in _paths(after).items():
        for path, is_exact in paths:
            if host in known and not any(_holds(old, (path, is_exact)) for old in known[host]):
                named = shown(host) if host else "every host name"
                what = f"Every path of {named}" if path == "/" and not is_exact else f"{shown(path)} of {named}"
                weight = Weight.HIGH if path == "/" and not is_exact else Weight.MEDIUM
                yield Risk("exposure", f"{what} becomes reachable.", weight)


def _paths(body: _Body) -> dict[str, list[_Path]]:
    found: dict[str, list[_Path]] = {}
    for rule in mappings_at(body, "spec", "rules"):
        paths = mappings_at(rule, "http", "paths") or [{}]
        found.setdefault(text_at(rule, "host"), []).extend(
            (text_at(each, "path") or "/", each.get("pathType") == "Exact") for each in paths
        )
    return found


def _holds(old: _Path, new: _Path) -> bool:
    (path, is_exact), (other, _) = old, new
    if is_exact:
        return old == new
    return other == path or other.startswith(f"{path.rstrip('/')}/")


def _annotations(before: _Body, after: _Body) -> Iterator[Risk]:
    old, new = (mapping_at(body, "metadata", "annotations") for body in (before, after))
    was, now = _allowed(old), _allowed(new)
    if was and not now:
        yield Risk("exposure", "Requests are let in from every address: the list of allowed ones is gone.", Weight.HIGH)
    for address in _gained(was, now):
        weight = Weight.HIGH if is_everybody(address) or is_many(address) else Weight.MEDIUM
        yield Risk("exposure", f"Requests are let in from {shown(address)}, too.", weight)
    for name in sorted(old):
        if name.endswith(_ASKS) and old[name] and not new.get(name):
            text = f"Who sends requests is no longer asked for ({shown(name)})."
            yield Risk("exposure", text, Weight.HIGH)


def _allowed(annotations: _Body) -> list[str]:
    """The addresses of whatever annotation the controller reads them from."""
    texts = [str(value) for name, value in annotations.items() if name.endswith(_ALLOWED)]
    return [each.strip() for text in texts for each in text.split(",") if each.strip()]
