"""What happens to the resources of a stack: by logical id, with exact fields, replacements and risks."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.rendering.cloudformation.create_only import create_only, sometimes_create_only
from apps.rendering.cloudformation.differences import compare
from apps.rendering.comparing import apply_fields, words
from apps.rendering.comparing.equality import same
from apps.rendering.comparing.risks import CODES
from apps.rendering.model import Action, RenderError, Resource, ResourceId, Weight
from tests.support.stacks import ROOT, changes, plan
from tests.support.timing import processor_seconds

SHOP = """
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Stage: {Type: String, Default: staging}
  Size: {Type: String, Default: db.t3.medium}
Conditions:
  IsProduction: !Equals [!Ref Stage, production]
Resources:
  Database:
    Type: AWS::RDS::DBInstance
    DeletionPolicy: Snapshot
    UpdateReplacePolicy: Retain
    Properties:
      DBInstanceIdentifier: !Sub "shop-${Stage}"
      DBInstanceClass: !Ref Size
      MultiAZ: !If [IsProduction, true, false]
      DeletionProtection: true
      VPCSecurityGroups: [!GetAtt DatabaseAccess.GroupId]
      Tags:
      - {Key: Name, Value: shop}
      - {Key: Team, Value: a}
  DatabaseAccess:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: Who may connect
      SecurityGroupIngress:
      - {IpProtocol: tcp, FromPort: 5432, ToPort: 5432, CidrIp: 10.0.0.0/8}
  Images:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    Properties:
      BucketName: !Sub "images-${Stage}"
      PublicAccessBlockConfiguration: {BlockPublicAcls: true, BlockPublicPolicy: true}
  Worker:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: ecs-tasks.amazonaws.com}}]
      Policies:
      - PolicyName: images
        PolicyDocument:
          Statement: [{Sid: Read, Effect: Allow, Action: ["s3:GetObject"], Resource: !Sub "${Images.Arn}/*"}]
  Own: {Type: Custom::Thing, Properties: {ServiceToken: x}}
  Balancer:
    Type: AWS::ElasticLoadBalancingV2::LoadBalancer
    Properties: {Scheme: internal, Name: shop}
"""


def edited(*edits):
    text = SHOP
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def effect(*edits):
    return {
        name: (change.action.value, [words(path) for path in change.replace_paths])
        for name, change in changes(SHOP, edited(*edits)).items()
    }


EFFECTS = [
    ([("Default: db.t3.medium", "Default: db.t3.large")], {"Database": ("update", [])}),
    ([("shop-${Stage}", "db-${Stage}")], {"Database": ("replace", ["Properties.DBInstanceIdentifier"])}),
    (
        [("Default: staging", "Default: production")],
        {"Database": ("replace", ["Properties.DBInstanceIdentifier"]), "Images": ("replace", ["Properties.BucketName"])},
    ),
    ([("Who may connect", "Who")], {"DatabaseAccess": ("replace", ["Properties.GroupDescription"])}),
    ([("AWS::S3::Bucket", "AWS::SQS::Queue")], {"Images": ("replace", ["Type"])}),
    ([("ServiceToken: x", "ServiceToken: y")], {"Own": ("update", [])}),
    ([("DeletionPolicy: Snapshot", "DeletionPolicy: Retain")], {"Database": ("update", [])}),
    ([("  Own: {Type: Custom::Thing, Properties: {ServiceToken: x}}\n", "")], {"Own": ("delete", [])}),
    ([("  Own: {", "  New: {Type: AWS::SQS::Queue}\n  Own: {")], {"New": ("create", [])}),
    ([("  Own: {", "  Own: {Condition: IsProduction, ")], {"Own": ("delete", [])}),
    ([("Scheme: internal, ", "")], {"Balancer": ("replace", ["Properties.Scheme"])}),
    ([("MultiAZ: !If [IsProduction, true, false]", "MultiAZ: false")], {}),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "expected"), EFFECTS)
def test_what_a_change_does_to_each_resource(edits, expected):
    assert effect(*edits) == expected


def test_a_resource_says_who_it_is_and_where_it_stands():
    (change,) = plan(SHOP, edited(EFFECTS[0][0][0])).difference.changes
    assert change.id == ResourceId("", "AWS::RDS::DBInstance", "shop", "Database")
    assert (change.source.path, change.source.line) == ("t.yaml", SHOP.splitlines().index("  Database:") + 1)
    assert [words(field.path) for field in change.fields] == ["Properties.DBInstanceClass"]
    assert plan(SHOP, SHOP).difference.unchanged == 6


def test_tags_are_known_by_their_keys_and_their_order_has_no_effect():
    change = changes(SHOP, edited(("{Key: Team, Value: a}", "{Key: Team, Value: b}")))["Database"]
    assert [words(field.path) for field in change.fields] == ["Properties.Tags[Team].Value"]
    first, second = "      - {Key: Name, Value: shop}\n", "      - {Key: Team, Value: a}\n"
    found = plan(SHOP, edited((first + second, second + first))).difference
    assert found.changes == ()
    assert [(one.id.name, [field.rule for field in one.fields]) for one in found.silent] == [("Database", ["order"])]


def risks(*edits):
    return {
        (risk.code, risk.weight.value, risk.text)
        for change in changes(SHOP, edited(*edits)).values()
        for risk in change.risks
    }


RISKS = [
    ([("Default: db.t3.medium", "Default: db.t3.large")], []),
    ([("ServiceToken: x", "ServiceToken: y")], [("replace", "medium", "update behaviour is not known")]),
    ([("MultiAZ: !If [IsProduction, true, false]", "MultiAZ: true")], [("replace", "medium", "depends on how Properties.MultiAZ")]),
    ([("DeletionProtection: true", "DeletionProtection: false")], [("destroy", "high", "no longer protected")]),
    ([("    DeletionPolicy: Snapshot\n", "")], []),
    ([("DeletionPolicy: Snapshot", "DeletionPolicy: Delete")], [("destroy", "high", "Snapshot becomes Delete")]),
    ([("DeletionPolicy: Snapshot", "DeletionPolicy: Retain")], []),
    ([("UpdateReplacePolicy: Retain", "UpdateReplacePolicy: Snapshot")], [("destroy", "high", "Retain becomes Snapshot")]),
    (
        [("shop-${Stage}", "db-${Stage}")],
        [("replace", "high", "deleted and created again because Properties.DBInstanceIdentifier"), ("destroy", "medium", "kept in the account (UpdateReplacePolicy: Retain)")],
    ),
    (
        [("images-${Stage}", "pictures-${Stage}")],
        [("replace", "high", "BucketName"), ("destroy", "high", "objects may be lost"), ("replace", "medium", "refers to it is changed, too, and may be replaced: Worker")],
    ),
    ([("CidrIp: 10.0.0.0/8", "CidrIp: 0.0.0.0/0")], [("exposure", "high", "Everybody may connect to tcp port 5432 (0.0.0.0/0)")]),
    ([("CidrIp: 10.0.0.0/8", "CidrIpv6: '::/0'")], [("exposure", "high", "(::/0)")]),
    ([("IpProtocol: tcp, FromPort: 5432, ToPort: 5432, CidrIp: 10.0.0.0/8", "IpProtocol: '-1', CidrIp: 0.0.0.0/0")], [("exposure", "high", "to every port")]),
    ([("BlockPublicAcls: true, ", "")], [("exposure", "high", "no longer blocked (BlockPublicAcls)")]),
    ([("BlockPublicAcls: true", "BlockPublicAcls: false")], [("exposure", "high", "not blocked (BlockPublicAcls: false)")]),
    ([("      BucketName", "      AccessControl: PublicRead\n      BucketName")], [("exposure", "high", "may read")]),
    ([("DeletionProtection: true", "DeletionProtection: true\n      PubliclyAccessible: 'true'")], [("exposure", "high", "PubliclyAccessible")]),
    ([("Scheme: internal", "Scheme: internet-facing")], [("replace", "medium", "Scheme"), ("exposure", "high", "from the internet")]),
    ([('Action: ["s3:GetObject"]', 'Action: ["s3:*"]')], [("iam", "medium", "What"), ("iam", "medium", "Allows s3:* on ${Images.Arn}/*")]),
    ([('Action: ["s3:GetObject"]', 'NotAction: "iam:*"')], [("iam", "medium", "What"), ("iam", "high", "Allows every action")]),
    ([('Resource: !Sub "${Images.Arn}/*"', 'Resource: "*"')], [("iam", "medium", "What"), ("iam", "medium", "Allows s3:getobject on every resource")]),
    ([("Service: ecs-tasks.amazonaws.com", "AWS: '*'")], [("iam", "medium", "Who may act"), ("exposure", "high", "Lets everybody do sts:AssumeRole")]),
    ([("      Policies:", "      ManagedPolicyArns: ['arn:aws:iam::aws:policy/AdministratorAccess']\n      Policies:")], [("iam", "medium", "What"), ("iam", "high", "gets AdministratorAccess")]),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "expected"), RISKS)
def test_only_what_a_change_brings_is_a_risk(edits, expected):
    found = risks(*edits)
    assert len(found) == len(expected), found
    for code, weight, text in expected:
        assert any(code == one[0] and weight == one[1] and text in one[2] for one in found), found
    assert {code for code, _, _ in found} <= set(CODES)


def test_another_type_under_the_same_logical_id_is_a_replacement_that_may_be_refused():
    change = changes(SHOP, edited(("AWS::S3::Bucket", "AWS::SQS::Queue")))["Images"]
    assert change.before["Type"] == "AWS::S3::Bucket"
    assert any("may refuse" in risk.text for risk in change.risks)
    assert any(risk.code == "destroy" and "objects may be lost" in risk.text for risk in change.risks)


def test_a_thousand_resources_that_are_replaced_are_compared_soon():
    def template(name):
        lines = [
            f"  R{at}: {{Type: AWS::S3::Bucket, Properties: {{BucketName: {name}{at}, Tags: [{{Key: a, Value: !Ref R{at + 1}}}]}}}}"
            for at in range(1000)
        ]
        return "\n".join(["Resources:", *lines, "  R1000: {Type: AWS::S3::Bucket}"])

    with processor_seconds(10):
        found = plan(template("a"), template("b")).difference
    assert found.counts["replace"] == 1000


def test_what_is_deleted_says_what_is_lost_and_what_is_kept():
    without = {"Parameters": {}, "Resources": {"Own": {"Type": "Custom::Thing", "Properties": {"ServiceToken": "x"}}}}
    found = changes({"t.yaml": SHOP}, {"t.yaml": json.dumps(without)})
    texts = {name: [(risk.weight, risk.text) for risk in change.risks] for name, change in found.items()}
    assert texts["Database"] == [
        (
            Weight.HIGH,
            "AWS::RDS::DBInstance shop/Database is deleted. A snapshot of it is kept (DeletionPolicy: Snapshot).",
        )
    ]
    assert texts["Images"] == [
        (
            Weight.MEDIUM,
            "AWS::S3::Bucket shop/Images leaves the stack. It is kept in the account (DeletionPolicy: Retain).",
        )
    ]
    assert texts["Worker"] == [(Weight.MEDIUM, "AWS::IAM::Role shop/Worker is deleted.")]


def test_the_table_of_properties_names_nested_ones_and_knows_what_it_does_not_know():
    assert ("BucketName",) in create_only("AWS::S3::Bucket")
    assert create_only("AWS::ApiGateway::RestApi") == ()
    assert create_only("Custom::Thing") is None
    assert create_only("AWS::Never::Heard") is None
    assert create_only("S3::Bucket") is None
    assert ("EncryptionAtRestOptions", "Enabled") in sometimes_create_only("AWS::OpenSearchService::Domain")


def test_a_nested_property_forces_a_replacement_only_where_it_changes():
    head = "Resources: {N: {Type: AWS::EKS::Cluster, Properties: {KubernetesNetworkConfig: "
    before = head + "{IpFamily: ipv4, ServiceIpv4Cidr: 10.0.0.0/16}}}}"
    (path,) = changes(before, before.replace("/16", "/20"))["N"].replace_paths
    assert words(path) == "Properties.KubernetesNetworkConfig.ServiceIpv4Cidr"
    added = changes(
        "Resources: {N: {Type: AWS::EKS::Cluster, Properties: {Name: a}}}", before.replace("{Kub", "{Name: a, Kub")
    )
    assert [words(path) for path in added["N"].replace_paths] == ["Properties.KubernetesNetworkConfig"]


VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["a", "b", "${A}", ""])),
    lambda inside: st.one_of(
        st.lists(inside, max_size=4),
        st.dictionaries(
            st.sampled_from(["Name", "Key", "Value", "Tags", "Statement", "Rules", "x"]), inside, max_size=4
        ),
        st.lists(st.fixed_dictionaries({"Key": st.sampled_from("abc"), "Value": inside}), max_size=3),
    ),
    max_leaves=20,
)
BODY = st.fixed_dictionaries(
    {"Type": st.sampled_from(["AWS::S3::Bucket", "Custom::A"])},
    optional={"Properties": st.dictionaries(st.sampled_from(["Tags", "BucketName", "List"]), VALUE), "DeletionPolicy": VALUE},
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(BODY, BODY)
def test_fields_applied_to_any_body_give_any_other(before, after):
    sides = [[Resource(ResourceId("", body["Type"], "", "A"), copy.deepcopy(body))] for body in (before, after)]
    found = compare(*sides)
    everything = (*found.changes, *found.silent)
    assert bool(everything) is not same(before, after)
    for change in everything:
        assert same(apply_fields(before, change.fields), after)
        assert all(any(path == field.path for field in change.fields) for path in change.replace_paths)


def test_the_stack_of_the_demo_is_compared():
    folder = ROOT / "apps/demo/content/cfn"
    files = {path.name: path.read_text() for path in folder.iterdir()}
    given = {"template": "vpc.yaml", "parameters": "production.json"}
    changed = files | {"vpc.yaml": files["vpc.yaml"].replace("RetentionInDays: 30", "RetentionInDays: 90")}
    found = plan(files, changed, **given)
    assert [(one.id.name, one.action) for one in found.difference.changes] == [("FlowLogGroup", Action.UPDATE)]
    assert found.inputs == ("production.json", "vpc.yaml")
    moved = files | {"production.json": files["production.json"].replace("10.11", "10.12")}
    assert [(one.id.name, one.action) for one in plan(files, moved, **given).difference.changes] == [
        ("Vpc", Action.REPLACE)
    ]


def test_a_side_without_the_template_had_no_stack_and_one_that_lost_it_is_no_deletion():
    assert {one.action for one in plan({}, {"t.yaml": SHOP}).difference.changes} == {Action.CREATE}
    with pytest.raises(RenderError, match=r"There is no file t\.yaml"):
        plan({"t.yaml": SHOP}, {})
    found = plan({"t.yaml": SHOP}, {"t.yaml": SHOP, "p.json": "{}"}, parameters="p.json")
    assert found.warnings == ("Before the change there is no p.json: everything counts as created.",)


def test_a_side_before_that_is_broken_is_told_as_such():
    with pytest.raises(RenderError) as caught:
        plan("Resources: {A: {}}", SHOP)
    assert caught.value.message.startswith("Before the change: t.yaml, line 1 (Resources.A)")
    assert caught.value.path == "t.yaml"


KEY = """
Resources:
  Key:
    Type: AWS::KMS::Key
    Properties:
      KeyPolicy:
        Statement:
        - {Effect: Allow, Principal: {AWS: "arn:aws:iam::1:root"}, Action: "kms:*", Resource: "*"}
        - {Effect: Deny, Principal: "*", Action: "*", Resource: "*"}
"""


def test_the_policy_of_a_resource_speaks_of_that_resource_alone():
    (created,) = plan({}, {"t.yaml": KEY}).difference.changes
    assert [(risk.code, risk.weight, risk.text) for risk in created.risks] == [("iam", Weight.MEDIUM, "Allows kms:*.")]
    assert changes(KEY, KEY.replace('"kms:*"', '"kms:Decrypt"'))["Key"].risks == ()
    opened = changes(KEY, KEY.replace('{AWS: "arn:aws:iam::1:root"}', '"*"'))["Key"].risks
    assert [(risk.code, risk.weight) for risk in opened] == [("exposure", Weight.HIGH)]


def exported(value, name="shop-vpc", output="V"):
    return (
        f"Resources: {{A: {{Type: Custom::A}}}}\nOutputs: {{{output}: {{Value: {value}, Export: {{Name: {name}}}}}}}\n"
    )


def test_an_export_that_goes_or_changes_is_a_risk_for_the_stacks_that_import_it():
    assert plan(exported("!Ref A"), exported("!Ref A")).difference.changes == ()
    (moved,) = plan(exported("!Ref A"), exported("other")).difference.changes
    assert (moved.id.kind, moved.id.name, moved.action) == ("Export", "shop-vpc", Action.UPDATE)
    assert apply_fields(moved.before, moved.fields) == moved.after
    (gone,) = plan(exported("!Ref A"), exported("!Ref A", "new")).difference.changes
    assert (gone.id.name, gone.action, gone.source.line) == ("shop-vpc", Action.DELETE, 2)
    for change in (moved, gone):
        ((code, weight),) = [(risk.code, risk.weight) for risk in change.risks]
        assert (code, weight) == ("destroy", Weight.HIGH)
    assert plan({}, {"t.yaml": exported("!Ref A")}).difference.counts["create"] == 1, "a new export is only a note"


def test_what_becomes_of_outputs_is_a_note():
    def noted(before, after):
        return plan(before, after).warnings

    plain = "Resources: {A: {Type: Custom::A}}\nOutputs: {V: {Value: one}}\n"
    assert noted(plain, plain) == ()
    assert noted(plain, plain.replace("one", "two")) == ("The output V changes from one to two.",)
    assert noted(plain, plain.replace("V:", "W:")) == (
        "The output V goes away; it was one.",
        "The output W is new: one.",
    )
    long = plain.replace("one", "a" * 200 + "/open")
    (changed,) = noted(long, long.replace("open", "shut"))
    assert changed == "The output V changes from …aaaaaaaaaaaaaaaaaaa/open to …aaaaaaaaaaaaaaaaaaa/shut."
    assert plan(plain, plain.replace("one", "two")).difference.changes == ()
    assert noted(plain, plain.replace("one", "!GetAtt A.Id")) == ("The output V changes from one to ${A.Id}.",)
    many = "Outputs: {" + ", ".join(f"O{count}: {{Value: x}}" for count in range(120)) + "}\n"
    told = noted(plain, plain.partition("Outputs")[0] + many)
    assert len(told) == 51
    assert told[-1] == "71 more outputs change."
    assert "hunter22" not in repr(noted(plain, plain.replace("V: {Value: one}", "DbPassword: {Value: hunter22}")))


TYPED = """
Resources:
  A:
    Type: AWS::ECS::TaskDefinition
    DeletionPolicy: Retain
    Metadata: {Flag: true}
    Properties: {Cpu: 256, Essential: true, Ports: [80, 443], Tags: [{Key: a, Value: 1}], Rate: 30}
  Listen:
    Type: AWS::Events::Rule
    Properties: {EventPattern: {detail: {deep: [true]}}}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [("Cpu: 256", 'Cpu: "256"'), ("Essential: true", 'Essential: "true"'), ("[80, 443]", '["80", 443]'),
     ("Value: 1", 'Value: "1"'), ("Rate: 30", "Rate: 30.0")],
)  # fmt: skip
def test_another_type_of_the_same_value_is_counted_as_a_difference_without_effect(old, new):
    found = plan(TYPED, TYPED.replace(old, new)).difference
    assert found.changes == ()
    ((field,),) = [change.fields for change in found.silent]
    assert field.rule == "text"
    assert plan(TYPED.replace(old, new), TYPED).difference.changes == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [("Cpu: 256", 'Cpu: "257"'), ("Essential: true", 'Essential: "True"'), ("Flag: true", 'Flag: "true"'),
     ("deep: [true]", 'deep: ["true"]'), ("Rate: 30", 'Rate: ""')],
)  # fmt: skip
def test_another_value_and_another_type_where_it_counts_stay_changes(old, new):
    found = plan(TYPED, TYPED.replace(old, new)).difference
    assert len(found.changes) == 1
    assert found.silent == ()
