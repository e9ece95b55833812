"""What of a stack becomes reachable, and what is no longer shielded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apps.rendering.comparing.risks.addresses import is_everybody, is_many
from apps.rendering.comparing.risks.reading import at, mapping_at, mappings_at, shown, text_at
from apps.rendering.model import Json, Risk, Weight

_Body = Mapping[str, Json]
_ACCESS = {
    "PublicRead": "Everybody may read what is in the bucket (AccessControl: PublicRead).",
    "PublicReadWrite": "Everybody may read and write what is in the bucket (AccessControl: PublicReadWrite).",
    "AuthenticatedRead": "Everybody with an account of AWS may read what is in the bucket (AccessControl).",
}
_BLOCK = "PublicAccessBlockConfiguration"
_BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
_SWITCHES: Mapping[str, tuple[str, str, Weight]] = {
    "PubliclyAccessible": ("true", "It gets an address that the internet can reach", Weight.HIGH),
    "EndpointPublicAccess": ("true", "Its endpoint is reachable from the internet", Weight.MEDIUM),
    "AssociatePublicIpAddress": ("true", "It gets a public address", Weight.MEDIUM),
    "MapPublicIpOnLaunch": ("true", "What starts in it gets a public address", Weight.MEDIUM),
    "AssignPublicIp": ("enabled", "It gets a public address", Weight.MEDIUM),
}
_BALANCERS = frozenset({"AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::ElasticLoadBalancing::LoadBalancer"})

_READ = (
    "CidrIp CidrIpv6 IpProtocol FromPort ToPort AccessControl Scheme AuthType PublicAccessBlockConfiguration".split()
)
EXPOSING: Mapping[str, str] = dict.fromkeys((*_READ, *_SWITCHES), "exposure")
"""Names of properties in which is read what becomes reachable."""


def exposure_facts(body: _Body) -> Iterator[Risk]:
    kind, properties = text_at(body, "Type"), mapping_at(body, "Properties")
    yield from _switched_on(properties)
    if kind == "AWS::EC2::SecurityGroup":
        for rule in mappings_at(properties, "SecurityGroupIngress"):
            yield from _ingress(rule)
    elif kind == "AWS::EC2::SecurityGroupIngress":
        yield from _ingress(properties)
    elif kind == "AWS::S3::Bucket":
        yield from _bucket(properties)
    elif kind in _BALANCERS and text_at(properties, "Scheme") in {"", "internet-facing"} and not _is_inside(properties):
        yield Risk("exposure", "The load balancer is reachable from the internet (Scheme).", Weight.HIGH)
    elif kind == "AWS::Lambda::Url" and properties.get("AuthType") == "NONE":
        yield Risk("exposure", "Everybody may call the function by its address (AuthType: NONE).", Weight.HIGH)
    elif kind == "AWS::Lambda::Permission" and properties.get("Principal") == "*":
        yield Risk("exposure", "Everybody may call the function (Principal: *).", Weight.HIGH)


def _is_inside(properties: _Body) -> bool:
    """Gateway load balancers have no scheme."""
    return properties.get("Type") == "gateway"


def _switched_on(value: Json) -> Iterator[Risk]:
    if isinstance(value, list):
        for each in value:
            yield from _switched_on(each)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            on, text, weight = _SWITCHES.get(key, ("", "", Weight.MEDIUM))
            if on and str(each).lower() == on:
                yield Risk("exposure", f"{text} ({key}).", weight)
            yield from _switched_on(each)


def _ingress(rule: _Body) -> Iterator[Risk]:
    for key in ("CidrIp", "CidrIpv6"):
        address = text_at(rule, key)
        who = "Everybody" if is_everybody(address) else "A large part of the internet" if is_many(address) else ""
        if who:
            yield Risk("exposure", f"{who} may connect {_ports(rule)} ({shown(address)}).", Weight.HIGH)


def _ports(rule: _Body) -> str:
    protocol, first, last = (str(rule.get(key, "")) for key in ("IpProtocol", "FromPort", "ToPort"))
    if protocol == "-1" or not first:
        return "to every port" if protocol == "-1" else f"by {shown(protocol)}"
    ports = f"port {first}" if first == last or not last else f"ports {first} to {last}"
    return f"to {shown(protocol)} {shown(ports)}"


def _bucket(properties: _Body) -> Iterator[Risk]:
    text = _ACCESS.get(text_at(properties, "AccessControl"))
    if text:
        yield Risk("exposure", text, Weight.HIGH)
    for name in _BLOCKS:
        if str(at(properties, _BLOCK, name)).lower() == "false":
            yield Risk("exposure", f"Public access to the bucket is not blocked ({name}: false).", Weight.HIGH)


def exposure_guards(before: _Body, after: _Body) -> Iterator[Risk]:
    if text_at(after, "Type") != "AWS::S3::Bucket":
        return
    old, new = (mapping_at(side, "Properties", _BLOCK) for side in (before, after))
    for name in _BLOCKS:
        was, now = (str(side.get(name)).lower() for side in (old, new))
        if was == "true" and now not in {"true", "false"}:
            yield Risk("exposure", f"Public access to the bucket is no longer blocked ({name}).", Weight.HIGH)
