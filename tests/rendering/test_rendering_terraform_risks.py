"""Risks of plans: only what the change brings, for the types of the large clouds."""

from __future__ import annotations

import json

import pytest

from apps.rendering.comparing.risks import CODES
from apps.rendering.handed_in import read_plan
from apps.rendering.model import Weight
from apps.rendering.redaction import keyed
from apps.rendering.terraform.kinds import GIVES_RIGHTS, LOSSES

FINGERPRINT = keyed(b"key of a test")
OPEN_RULE = {"cidr_blocks": ["0.0.0.0/0"], "protocol": "tcp", "from_port": 22, "to_port": 22}
CLOSED_RULE = {**OPEN_RULE, "cidr_blocks": ["10.0.0.0/8"]}
INBOUND = {"direction": "Inbound", "access": "Allow", "protocol": "Tcp", "destination_port_range": "22"}
EVERYTHING = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
LITTLE = json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}})
NEARLY = json.dumps({"Statement": [{"Effect": "Allow", "NotAction": "iam:GetUser", "Resource": "*"}]})
ELSEWHERE = json.dumps({"Statement": [{"Effect": "Allow", "Action": ["*:*"], "NotResource": "arn:aws:s3:::a"}]})
BUT_ONE = json.dumps(
    {"Statement": [{"Effect": "Allow", "NotPrincipal": {"AWS": "a"}, "Action": "s3:GetObject", "Resource": "a"}]}
)
PUBLIC = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "a"}]})


def risks(kind, before, after, actions=None, **change):
    made = actions or (["create"] if before is None else ["delete"] if after is None else ["update"])
    entry = {
        "address": f"{kind}.main", "mode": "managed", "type": kind, "provider_name": "example.test/a/b",
        "change": {"actions": made, "before": before, "after": after, **change},
    }  # fmt: skip
    plan = {"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": [entry]}
    (found,) = read_plan(json.dumps(plan).encode(), FINGERPRINT).difference.changes
    assert {risk.code for risk in found.risks} <= set(CODES)
    return found.risks


def heavy(kind, before, after, **more):
    return [risk.code for risk in risks(kind, before, after, **more) if risk.weight is Weight.HIGH]


def texts(kind, before, after, **more):
    return " ".join(risk.text for risk in risks(kind, before, after, **more))


@pytest.mark.parametrize(
    "kind",
    ["aws_db_instance", "aws_s3_bucket", "aws_ebs_volume", "aws_route53_zone", "aws_kms_key", "google_sql_database_instance",
     "google_storage_bucket", "google_compute_disk", "google_dns_managed_zone", "google_kms_crypto_key",
     "azurerm_mssql_database", "azurerm_storage_account", "azurerm_managed_disk", "azurerm_dns_zone", "azurerm_key_vault"],
)  # fmt: skip
def test_data_that_is_deleted_or_replaced_is_heavy(kind):
    assert heavy(kind, {"a": 1}, None) == ["destroy"]
    replaced = {"actions": ["delete", "create"], "replace_paths": [["engine"]]}
    assert heavy(kind, {"engine": 1}, {"engine": 2}, **replaced) == ["replace", "destroy"]
    assert "because engine cannot be changed in place" in texts(kind, {"engine": 1}, {"engine": 2}, **replaced)
    assert heavy(kind, {"a": 1}, {"a": 2}) == heavy(kind, None, {"a": 1}) == []


def test_what_holds_no_data_is_deleted_with_less_weight():
    assert [(risk.code, risk.weight) for risk in risks("aws_eip", {"a": 1}, None)] == [("destroy", Weight.MEDIUM)]


@pytest.mark.parametrize(
    ("kind", "closed", "opened"),
    [
        ("aws_security_group", {"ingress": [CLOSED_RULE]}, {"ingress": [CLOSED_RULE, OPEN_RULE]}),
        ("aws_security_group", {"ingress": []}, {"ingress": [{**CLOSED_RULE, "ipv6_cidr_blocks": ["::/0"]}]}),
        ("aws_security_group_rule", {"type": "ingress", **CLOSED_RULE}, {"type": "ingress", **OPEN_RULE}),
        ("aws_vpc_security_group_ingress_rule", {"cidr_ipv4": "10.0.0.0/8"}, {"cidr_ipv4": "0.0.0.0/0"}),
        ("aws_network_acl_rule", {}, {"rule_action": "allow", "cidr_block": "0.0.0.0/0", "egress": False}),
        ("google_compute_firewall", {"source_ranges": ["10.0.0.0/8"], "allow": [{"protocol": "tcp"}]},
         {"source_ranges": ["0.0.0.0/0"], "allow": [{"protocol": "tcp", "ports": ["22"]}]}),
        ("azurerm_network_security_rule", {**INBOUND, "source_address_prefix": "10.0.0.0/8"},
         {**INBOUND, "source_address_prefix": "Internet"}),
        ("azurerm_network_security_group", {"security_rule": []},
         {"security_rule": [{**INBOUND, "source_address_prefixes": ["0.0.0.0/0"]}]}),
        ("azurerm_mssql_firewall_rule", {"start_ip_address": "10.0.0.1", "end_ip_address": "10.0.0.1"},
         {"start_ip_address": "0.0.0.0", "end_ip_address": "255.255.255.255"}),
        ("aws_lb", {"internal": True}, {"internal": False}),
        ("google_compute_forwarding_rule", {"load_balancing_scheme": "INTERNAL"}, {"load_balancing_scheme": "EXTERNAL"}),
        ("aws_db_instance", {"publicly_accessible": None}, {"publicly_accessible": True}),
        ("aws_s3_bucket_acl", {"acl": "private"}, {"acl": "public-read"}),
        ("aws_lambda_function_url", {"authorization_type": "AWS_IAM"}, {"authorization_type": "NONE"}),
        ("google_sql_database_instance", {"settings": []},
         {"settings": [{"ip_configuration": [{"authorized_networks": [{"value": "0.0.0.0/0"}]}]}]}),
        ("aws_s3_bucket_public_access_block", {"block_public_acls": True}, {"block_public_acls": False}),
    ],
)  # fmt: skip
def test_what_becomes_reachable_is_heavy_and_what_was_so_before_is_no_news(kind, closed, opened):
    assert set(heavy(kind, closed, opened)) == {"exposure"}
    assert heavy(kind, opened, closed) == []
    assert heavy(kind, {**opened, "tags": {}}, {**opened, "tags": {"a": "b"}}) == []
    if kind != "aws_s3_bucket_public_access_block":
        assert "exposure" in heavy(kind, None, opened)


def test_the_ports_that_are_opened_are_named():
    assert "Every address is let in (tcp 22)." in texts("aws_security_group", None, {"ingress": [OPEN_RULE]})
    all_ports = {**OPEN_RULE, "protocol": "-1"}
    assert "Every address is let in (every port)." in texts("aws_security_group", None, {"ingress": [all_ports]})


def test_what_goes_out_or_is_denied_is_not_taken_for_exposure():
    assert heavy("aws_security_group", None, {"egress": [OPEN_RULE]}) == []
    assert heavy("aws_security_group_rule", None, {"type": "egress", **OPEN_RULE}) == []
    assert (
        heavy("google_compute_firewall", None, {"direction": "EGRESS", "source_ranges": ["0.0.0.0/0"], "allow": [{}]})
        == []
    )
    assert (
        heavy("azurerm_network_security_rule", None, {**INBOUND, "access": "Deny", "source_address_prefix": "*"}) == []
    )


def test_a_shield_that_is_taken_away_is_heavy():
    assert "exposure" in heavy("aws_s3_bucket_public_access_block", {"block_public_acls": True}, None)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"deletion_protection": True}, {"deletion_protection": False}),
        ({"deletion_protection": True}, {}),
        ({"skip_final_snapshot": False}, {"skip_final_snapshot": True}),
        ({"force_destroy": False}, {"force_destroy": True}),
        ({"force_destroy": None}, {"force_destroy": True}),
        ({}, {"skip_final_snapshot": True}),
        ({"settings": [{"deletion_protection_enabled": True}]}, {"settings": [{"deletion_protection_enabled": False}]}),
        ({"backup_retention_period": 7}, {"backup_retention_period": 0}),
    ],
)
def test_protection_that_is_switched_off_is_heavy_and_switched_on_is_none(before, after):
    assert heavy("aws_db_instance", before, after) == ["destroy"]
    assert heavy("aws_db_instance", after, before) == []


@pytest.mark.parametrize(
    "kind",
    ["aws_iam_role", "aws_iam_role_policy_attachment", "google_project_iam_member", "google_storage_bucket_iam_binding",
     "google_service_account_iam_policy", "azurerm_role_assignment"],
)  # fmt: skip
def test_every_change_of_rights_is_told(kind):
    for before, after in ((None, {"a": 1}), ({"a": 1}, {"a": 2}), ({"a": 1}, None)):
        assert "iam" in [risk.code for risk in risks(kind, before, after)]
    assert risks(kind, {"a": 1, "tags": {}}, {"a": 1, "tags": {"x": "y"}}) == ()


@pytest.mark.parametrize(
    ("kind", "little", "much"),
    [
        ("aws_iam_policy", {"policy": LITTLE}, {"policy": EVERYTHING}),
        ("aws_iam_policy", {"policy": LITTLE}, {"policy": NEARLY}),
        ("aws_iam_policy", {"policy": LITTLE}, {"policy": ELSEWHERE}),
        ("aws_s3_bucket_policy", {"policy": LITTLE}, {"policy": PUBLIC}),
        ("aws_s3_bucket_policy", {"policy": LITTLE}, {"policy": BUT_ONE}),
        ("aws_iam_role_policy_attachment", {"policy_arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
         {"policy_arn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ("google_project_iam_member", {"role": "roles/viewer"}, {"role": "roles/owner"}),
        ("google_storage_bucket_iam_member", {"member": "user:a"}, {"member": "allUsers", "role": "roles/viewer"}),
        ("azurerm_role_assignment", {"role_definition_name": "Reader"}, {"role_definition_name": "Owner"}),
    ],
)  # fmt: skip
def test_rights_without_a_limit_or_for_everybody_are_heavy(kind, little, much):
    assert set(heavy(kind, little, much)) <= {"iam", "exposure"}
    assert heavy(kind, little, much)
    assert heavy(kind, much, little) == []


def test_the_tables_name_types_once_and_in_the_providers_form():
    assert all(kind == kind.lower() and "_" in kind for kind in LOSSES)
    assert not any(GIVES_RIGHTS.match(kind) for kind in ("aws_instance", "google_compute_disk", "azurerm_subnet"))


@pytest.mark.parametrize("value", [None, 1, "x", [], [None], {}, {"a": [[]]}, True])
def test_bodies_of_any_form_break_nothing(value):
    names = ("ingress", "policy", "member", "members", "role", "settings", "vpc_config", "acl", "allow", "source_ranges",
             "deletion_protection", "load_balancing_scheme", "inline_policy", "security_rule", "policy_arn")  # fmt: skip
    for kind in (
        "aws_security_group",
        "aws_iam_role",
        "google_compute_firewall",
        "azurerm_network_security_group",
        "aws_lb",
    ):
        risks(kind, dict.fromkeys(names, value), {"x": 1} | {name: [value] for name in names})
