"""Tricks that would keep a risk from being read: calling its value a secret, and writing everybody in another way."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.rendering.cloudformation.risks import risks_of as stack_risks
from apps.rendering.comparing.risks import CODES, risks_of
from apps.rendering.comparing.risks.addresses import is_everybody, is_many
from apps.rendering.comparing.risks.hidden import hidden_risks
from apps.rendering.model import Action, ResourceChange, ResourceId
from apps.rendering.terraform.kinds import PLACES
from apps.rendering.terraform.plan_json import read_plan
from tests.support.stacks import FINGERPRINT, changes

TEMPLATE = """
Parameters:
  %s
Resources:
  A:
    Type: %s
    Properties: {%s}
"""
NO_ECHO = "P: {Type: String, NoEcho: true, Default: '%s'}"
RULE = "GroupDescription: a, SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: %s}]"
POLICY = "PolicyDocument: {Statement: [{Effect: %s, Action: %s, Resource: '*', Principal: %s}]}"


def heavy(found):
    assert {risk.code for risk in found} <= set(CODES)
    return {(risk.code, risk.text) for risk in found if risk.weight.value == "high"}


def hidden(code, name):
    words = {"exposure": "what it lets in", "iam": "what it allows", "destroy": "whether it still protects"}
    return (code, f"{name} holds what is hidden as a secret: nobody can tell here {words[code]}.")


STACKS = [
    ("AWS::EC2::SecurityGroup", RULE % "!Ref P", "0.0.0.0/0", hidden("exposure", "CidrIp")),
    ("AWS::EC2::SecurityGroup", RULE % "!Sub '${P}/0'", "0.0.0.0", hidden("exposure", "CidrIp")),
    ("AWS::EC2::SecurityGroupIngress", "CidrIpv6: !Ref P", "::/0", hidden("exposure", "CidrIpv6")),
    ("AWS::RDS::DBInstance", "PubliclyAccessible: !Ref P", "true", hidden("exposure", "PubliclyAccessible")),
    ("AWS::S3::Bucket", "AccessControl: !Ref P", "PublicRead", hidden("exposure", "AccessControl")),
    ("AWS::S3::BucketPolicy", f"Bucket: b, {POLICY % ('Allow', 'a', '!Ref P')}", "*", hidden("iam", "Statement")),
    ("AWS::S3::BucketPolicy", f"Bucket: b, {POLICY % ('!Ref P', 'a', 'x')}", "Allow", hidden("iam", "Statement")),
    ("AWS::IAM::Policy", POLICY % ("Allow", "!Ref P", "x"), "*", hidden("iam", "Statement")),
    ("AWS::IAM::Role", "ManagedPolicyArns: [!Ref P]", "arn:aws:iam::aws:policy/AdministratorAccess", hidden("iam", "ManagedPolicyArns")),
    ("AWS::DynamoDB::Table", "DeletionProtectionEnabled: !Ref P", "false", hidden("destroy", "DeletionProtectionEnabled")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "properties", "value", "risk"), STACKS)
def test_a_parameter_that_is_not_shown_hides_no_risk_of_a_stack(kind, properties, value, risk):
    text = TEMPLATE % (NO_ECHO % value, kind, properties)
    assert risk in heavy(changes({}, {"t.yaml": text})["A"].risks)
    assert value not in repr(changes({}, {"t.yaml": text})["A"].risks)


def test_a_parameter_whose_name_says_that_it_is_secret_hides_no_risk_either():
    text = TEMPLATE % (
        "AdminPassword: {Type: String, Default: 0.0.0.0/0}",
        "AWS::EC2::SecurityGroup",
        RULE % "!Ref AdminPassword",
    )
    assert hidden("exposure", "CidrIp") in heavy(changes({}, {"t.yaml": text})["A"].risks)


def test_what_was_hidden_before_is_no_news_and_another_value_is():
    old, moved, new = (
        TEMPLATE % (NO_ECHO % value, "AWS::EC2::SecurityGroup", f"{RULE % '!Ref P'}, {more}")
        for value, more in (("10.1.1.0/24", "Tags: []"), ("10.1.1.0/24", "VpcId: x"), ("0.0.0.0/0", "Tags: []"))
    )
    assert heavy(changes(old, moved)["A"].risks) == set()
    assert heavy(changes(old, new)["A"].risks) == {hidden("exposure", "CidrIp")}


def test_secrets_where_no_risk_is_read_are_none():
    text = TEMPLATE % (NO_ECHO % "canary-1", "AWS::RDS::DBInstance", "MasterUserPassword: !Ref P, Engine: !Ref P")
    assert heavy(changes({}, {"t.yaml": text})["A"].risks) == set()


def test_what_an_account_masks_is_hidden():
    body = {"Type": "AWS::EC2::SecurityGroup", "Properties": {"SecurityGroupIngress": [{"CidrIp": "****"}]}}
    change = ResourceChange(ResourceId("", body["Type"], "shop", "A"), Action.CREATE, after=body)
    assert heavy(stack_risks(change)) == {hidden("exposure", "CidrIp")}


def planned(kind, after, sensitive, before=None):
    change = {
        "actions": ["create"] if before is None else ["update"], "before": before, "after": after, "after_unknown": {},
        "before_sensitive": sensitive if before else False, "after_sensitive": sensitive,
    }  # fmt: skip
    entry = {
        "address": f"{kind}.a",
        "type": kind,
        "name": "a",
        "mode": "managed",
        "provider_name": "p",
        "change": change,
    }
    document = {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "planned_values": {},
        "resource_changes": [entry],
    }
    (found,) = read_plan(json.dumps(document).encode(), FINGERPRINT).difference.changes
    return found


OPEN = {"ingress": [{"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": ["0.0.0.0/0"]}]}
ALL = {"policy": json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})}
PLANS = [
    ("aws_security_group", OPEN, {"ingress": [{"cidr_blocks": [True]}]}, hidden("exposure", "ingress")),
    ("aws_security_group", OPEN, {"ingress": True}, hidden("exposure", "ingress")),
    ("aws_security_group", OPEN, True, hidden("exposure", "ingress")),
    ("aws_vpc_security_group_ingress_rule", {"cidr_ipv4": "0.0.0.0/0"}, True, hidden("exposure", "cidr_ipv4")),
    ("google_compute_firewall", {"source_ranges": ["0.0.0.0/0"], "allow": []}, {"source_ranges": [True]}, hidden("exposure", "source_ranges")),
    ("aws_db_instance", {"publicly_accessible": True}, {"publicly_accessible": True}, hidden("exposure", "publicly_accessible")),
    ("aws_iam_policy", ALL, {"policy": True}, hidden("iam", "policy")),
    ("google_project_iam_member", {"role": "roles/owner", "member": "allUsers"}, {"member": True}, hidden("iam", "member")),
    ("aws_db_instance", {"deletion_protection": False}, {"deletion_protection": True}, hidden("destroy", "deletion_protection")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "after", "sensitive", "risk"), PLANS)
def test_a_value_that_is_called_sensitive_hides_no_risk_of_a_plan(kind, after, sensitive, risk):
    assert risk in heavy(planned(kind, after, sensitive).risks)


def test_a_hidden_value_that_stays_is_no_news_of_a_plan():
    tagged = {**OPEN, "tags": {"a": "b"}}
    assert heavy(planned("aws_security_group", tagged, {"ingress": True}, OPEN).risks) == set()


ADDRESSES = {
    "0.0.0.0/0": "everybody", "::/0": "everybody", "0::/0": "everybody", "0.0.0.0/00": "everybody",
    "0.0.0.0/0.0.0.0": "everybody", " 10.0.0.0/0": "everybody", "${Vpc}/0": "everybody",
    "0.0.0.0/1": "many", "128.0.0.0/1": "many", "8.0.0.0/7": "many", "2000::/3": "many",
    "10.0.0.0/8": "", "172.16.0.0/12": "", "192.168.1.1/32": "", "192.168.1.1": "", "fc00::/8": "", "": "", "sg-1": "",
}  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_everybody_is_known_however_it_is_written(address):
    found = "everybody" if is_everybody(address) else "many" if is_many(address) else ""
    assert found == ADDRESSES[address]
    assert not (is_everybody(address) and is_many(address))


@pytest.mark.parametrize(
    ("address", "words"), [("0.0.0.0/00", "Everybody may"), ("0.0.0.0/1", "A large part of the internet may")]
)
def test_more_than_anybody_has_is_told_of_a_stack(address, words):
    text = TEMPLATE % ("P: {Type: String, Default: x}", "AWS::EC2::SecurityGroup", RULE % address)
    assert ("exposure", f"{words} connect to tcp port 22 ({address}).") in heavy(
        changes({}, {"t.yaml": text})["A"].risks
    )


@pytest.mark.parametrize(
    ("address", "words"), [("0.0.0.0/00", "Every address"), ("128.0.0.0/1", "A large part of all addresses")]
)
def test_more_than_anybody_has_is_told_of_a_plan(address, words):
    rule = {**OPEN["ingress"][0], "cidr_blocks": [address]}
    assert ("exposure", f"{words} is let in (tcp 22).") in heavy(
        planned("aws_security_group", {"ingress": [rule]}, {}).risks
    )


def test_more_than_anybody_has_is_told_of_a_network_policy():
    body = {"kind": "NetworkPolicy", "spec": {"ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/1"}}]}]}}
    change = ResourceChange(ResourceId("networking.k8s.io", "NetworkPolicy", "web", "a"), Action.CREATE, after=body)
    assert any("0.0.0.0/1" in text for _, text in heavy(risks_of(change)))


KEYS = st.sampled_from(["a", "b", *list(PLACES)[:4]])
BODIES = st.recursive(
    st.sampled_from([FINGERPRINT(b"x"), "open", "****", None, True, 3]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(KEYS, BODIES, max_size=4))
def test_every_hidden_value_under_a_place_is_told_once_and_only_as_news(body):
    def holds(value):
        if isinstance(value, dict):
            return any(map(holds, value.values()))
        return any(map(holds, value)) if isinstance(value, list) else value in {FINGERPRINT(b"x"), "****"}

    found = list(hidden_risks(None, body, PLACES))
    assert len(found) == len(set(found))
    assert {name for name in body if name in PLACES and holds(body[name])} <= {
        risk.text.split(" ")[0] for risk in found
    }
    assert list(hidden_risks(body, body, PLACES)) == []
