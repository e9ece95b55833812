"""What a resource of a Terraform plan makes reachable. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from apps.rendering.comparing.risks.addresses import is_everybody, is_many
from apps.rendering.comparing.risks.reading import at, mappings_at, shown, text_at, texts_at
from apps.rendering.model import Json, Risk, Weight

_Body = Mapping[str, Json]
_Opening = tuple[str, str]
"""Who is let in, and the ports in words."""

_EVERYBODY, _MANY = "Every address", "A large part of all addresses"
_ANYWHERE = frozenset({"*", "internet", "any"})
_BALANCERS = frozenset({"aws_lb", "aws_alb", "aws_elb"})
_FORWARDING = frozenset({"google_compute_forwarding_rule", "google_compute_global_forwarding_rule"})
_PUBLIC_ACLS = frozenset({"public-read", "public-read-write", "authenticated-read", "publicRead", "publicReadWrite"})
_TRUTHS: Mapping[str, str] = {
    "publicly_accessible": "It gets an address that is reachable from the Internet (publicly_accessible).",
    "public_network_access_enabled": "It is reachable from public networks (public_network_access_enabled).",
    "allow_nested_items_to_be_public": "What is stored in it may be made public (allow_nested_items_to_be_public).",
    "associate_public_ip_address": "It gets a public address (associate_public_ip_address).",
}


def exposure_facts(kind: str, body: _Body) -> Iterator[Risk]:
    for name, text in _TRUTHS.items():
        if body.get(name) is True:
            yield Risk("exposure", text, Weight.HIGH)
    for who, where in _opened(kind, body):
        yield Risk("exposure", f"{who} is let in{f' ({where})' if where else ''}.", Weight.HIGH)
    yield from _balancer(kind, body)
    if text_at(body, "acl") in _PUBLIC_ACLS:
        yield Risk("exposure", f"What is stored in it is public ({text_at(body, 'acl')}).", Weight.HIGH)
    if kind == "aws_lambda_function_url" and body.get("authorization_type") == "NONE":
        yield Risk("exposure", "Everybody may call the function (authorization_type).", Weight.HIGH)


def _balancer(kind: str, body: _Body) -> Iterator[Risk]:
    if kind in _BALANCERS and body.get("internal") is not True:
        yield Risk("exposure", "The load balancer is reachable from the Internet.", Weight.HIGH)
    if kind in _FORWARDING and not text_at(body, "load_balancing_scheme").startswith("INTERNAL"):
        yield Risk("exposure", "The load balancer is reachable from the Internet.", Weight.HIGH)


def _opened(kind: str, body: _Body) -> Iterator[_Opening]:
    if kind.startswith("azurerm_") and kind.endswith("_firewall_rule"):
        if body.get("start_ip_address") == "0.0.0.0" and body.get("end_ip_address") == "255.255.255.255":  # noqa: S104 - read
            yield _EVERYBODY, ""
    else:
        yield from _RULES.get(kind, _listed)(body)


def _group(body: _Body) -> Iterator[_Opening]:
    for rule in mappings_at(body, "ingress"):
        yield from _inward(rule)


def _rule(body: _Body) -> Iterator[_Opening]:
    if body.get("type") == "ingress":
        yield from _inward(body)


def _access_list(body: _Body) -> Iterator[_Opening]:
    for rule in (body, *mappings_at(body, "ingress")):
        if "allow" in {rule.get("rule_action"), rule.get("action")} and rule.get("egress") is not True:
            yield from _inward(rule)


def _inward(rule: _Body) -> Iterator[_Opening]:
    many = (*texts_at(rule, "cidr_blocks"), *texts_at(rule, "ipv6_cidr_blocks"))
    single = ("cidr_ipv4", "cidr_ipv6", "cidr_block", "ipv6_cidr_block")
    if who := _who([*many, *(text_at(rule, name) for name in single)]):
        yield who, _ports(rule)


def _google(body: _Body) -> Iterator[_Opening]:
    outward = body.get("direction") == "EGRESS" or body.get("disabled") is True
    who = _who(texts_at(body, "source_ranges"))
    if outward or not who:
        return
    for rule in mappings_at(body, "allow"):
        yield who, shown(f"{text_at(rule, 'protocol')} {', '.join(texts_at(rule, 'ports')) or 'every port'}".strip())


def _azure_group(body: _Body) -> Iterator[_Opening]:
    for rule in mappings_at(body, "security_rule"):
        yield from _azure(rule)


def _azure(rule: _Body) -> Iterator[_Opening]:
    if text_at(rule, "direction").lower() != "inbound" or text_at(rule, "access").lower() != "allow":
        return
    sources = [text_at(rule, "source_address_prefix"), *texts_at(rule, "source_address_prefixes")]
    who = _EVERYBODY if any(source.lower() in _ANYWHERE for source in sources) else _who(sources)
    if who:
        ports = [text_at(rule, "destination_port_range"), *texts_at(rule, "destination_port_ranges")]
        yield who, shown(f"{text_at(rule, 'protocol')} {', '.join(filter(None, ports))}".strip())


def _listed(body: _Body) -> Iterator[_Opening]:
    """Lists of addresses that other types let in: clusters, databases, registries."""
    for rule in mappings_at(body, "vpc_config"):
        if rule.get("endpoint_public_access") is True and (who := _who(texts_at(rule, "public_access_cidrs"))):
            yield who, "public_access_cidrs"
    for settings in mappings_at(body, "settings"):
        for rule in mappings_at(settings, "ip_configuration"):
            if who := _who([text_at(each, "value") for each in mappings_at(rule, "authorized_networks")]):
                yield who, "authorized_networks"
    for rule in mappings_at(body, "master_authorized_networks_config"):
        if who := _who([text_at(each, "cidr_block") for each in mappings_at(rule, "cidr_blocks")]):
            yield who, "master_authorized_networks_config"


def _who(addresses: list[str]) -> str:
    """Empty where the addresses are of somebody."""
    if any(map(is_everybody, addresses)):
        return _EVERYBODY
    return _MANY if any(map(is_many, addresses)) else ""


def _ports(rule: _Body) -> str:
    protocol = str(at(rule, "protocol") or at(rule, "ip_protocol") or "")
    start, end = at(rule, "from_port"), at(rule, "to_port")
    if protocol in {"-1", "all"} or start is None:
        return "every port"
    return shown(f"{protocol} {start}{f'-{end}' if end != start else ''}")


_RULES: Mapping[str, Callable[[_Body], Iterator[_Opening]]] = {
    "aws_security_group": _group,
    "aws_default_security_group": _group,
    "aws_security_group_rule": _rule,
    "aws_vpc_security_group_ingress_rule": _inward,
    "aws_network_acl": _access_list,
    "aws_default_network_acl": _access_list,
    "aws_network_acl_rule": _access_list,
    "google_compute_firewall": _google,
    "azurerm_network_security_rule": _azure,
    "azurerm_network_security_group": _azure_group,
}
