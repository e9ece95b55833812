"""Stacks in stacks, and secrets that nothing shows."""

from __future__ import annotations

import json
import traceback

import pytest

from apps.rendering.model import Failure, Part, RenderError
from apps.rendering.redaction import MARK
from tests.support.stacks import FINGERPRINT, PLANNER, changes, created, plan, target
from tests.support.trees import MemoryTree

ROOT_STACK = """\
Parameters:
  Cidr: {Type: String, Default: 10.0.0.0/16}
  Secret: {Type: String, NoEcho: true, Default: canary-one}
Resources:
  Zone: {Type: AWS::Route53::HostedZone, Properties: {Name: shop.example.org}}
  Network:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: ./network/vpc.yaml
      Parameters: {Cidr: !Ref Cidr, Zone: !Ref Zone, Pin: !Ref Secret}
  Far:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: "https://bucket.example.org/far.yaml"}
"""
VPC = """\
Parameters:
  Cidr: {Type: String}
  Zone: {Type: String}
  Pin: {Type: String, NoEcho: true}
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Cidr}}
  Own: {Type: Custom::Thing, Properties: {Vpc: !Ref Vpc, Zone: !Ref Zone, Code: !Ref Pin, Literal: "${Zone}"}}
  Subnets:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: ../network/subnets.json, Parameters: {Vpc: !Ref Vpc}}
"""
SUBNETS = {
    "Parameters": {"Vpc": {"Type": "String"}},
    "Resources": {"A": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}}}},
}
FILES = {"t/root.yaml": ROOT_STACK, "t/network/vpc.yaml": VPC, "t/network/subnets.json": json.dumps(SUBNETS)}
GIVEN = {"template": "t/root.yaml"}


def test_nested_stacks_are_expanded_with_their_parameters():
    found = created(FILES, **GIVEN)
    assert set(found) == {
        "Zone",
        "Network",
        "Network/Vpc",
        "Network/Own",
        "Network/Subnets",
        "Network/Subnets/A",
        "Far",
    }
    assert found["Network/Vpc"]["Properties"] == {"CidrBlock": "10.0.0.0/16"}
    assert found["Network/Own"]["Properties"] == {
        "Vpc": "${Network/Vpc}",
        "Zone": "${Zone}",
        "Code": FINGERPRINT(b"canary-one"),
        "Literal": "${!Zone}",
    }
    assert found["Network/Subnets/A"]["Properties"] == {"VpcId": "${Network/Vpc}"}


def test_a_template_elsewhere_is_a_part_that_says_so():
    far, network, subnets = plan({}, FILES, **GIVEN).parts
    assert (network, subnets) == (Part("Network"), Part("Network/Subnets"))
    assert far.name == "Far"
    assert "https://bucket.example.org/far.yaml" in far.failure
    assert plan(FILES, FILES | {"t/root.yaml": ROOT_STACK[: ROOT_STACK.index("  Far")]}, **GIVEN).parts[0] == far


def test_all_templates_are_inputs():
    wanted = ("t/network/subnets.json", "t/network/vpc.yaml", "t/root.yaml")
    assert plan(FILES, FILES, **GIVEN).inputs == wanted
    assert PLANNER.inputs(MemoryTree(FILES), target(**GIVEN)) == wanted
    without = {path: text for path, text in FILES.items() if "subnets" not in path}
    assert PLANNER.inputs(MemoryTree(without), target(**GIVEN)) == wanted
    broken = FILES | {
        "t/root.yaml": ROOT_STACK.replace("https://bucket.example.org/far.yaml", "a.yaml"),
        "t/a.yaml": "[",
    }
    assert set(PLANNER.inputs(MemoryTree(broken), target(**GIVEN))) == {*wanted, "t/a.yaml"}
    by_value = FILES | {"t/root.yaml": ROOT_STACK.replace("./network/vpc.yaml", "!Ref Cidr")}
    assert PLANNER.inputs(MemoryTree(by_value), target(**GIVEN)) == ("./",)
    linked = FILES | {"@t/network/vpc.yaml": "real.yaml", "t/network/real.yaml": VPC}
    assert set(PLANNER.inputs(MemoryTree(linked), target(**GIVEN))) == {*wanted, "t/network/real.yaml"}
    assert set(created(linked, **GIVEN)) == set(created(FILES, **GIVEN))


@pytest.mark.parametrize(
    ("url", "is_elsewhere"),
    [
        ('!Sub "https://${Cidr}.s3.amazonaws.com/${Cidr}/vpc.yaml"', True),
        ('!Sub ["https://${Bucket}.s3.amazonaws.com/vpc.yaml", {Bucket: !Ref Cidr}]', True),
        ('!Join ["", ["https://s3.amazonaws.com/", !Ref Cidr, "/vpc.yaml"]]', True),
        ('!Sub "${Cidr}/vpc.yaml"', False),
        ('!Sub ["${Bucket}/vpc.yaml", {Bucket: "https://a"}]', False),
        ('!Join ["", [!Ref Cidr, "/vpc.yaml"]]', False),
        ('!Join ["://", !Ref Cidr]', False),
        ('!If [Is, "https://a", "b.yaml"]', False),
        ("[https://a]", False),
    ],
)
def test_a_template_that_lies_elsewhere_whatever_the_values_are_makes_no_file_an_input(url: str, is_elsewhere: bool):
    files = FILES | {"t/root.yaml": ROOT_STACK.replace('"https://bucket.example.org/far.yaml"', url)}
    wanted = ("t/network/subnets.json", "t/network/vpc.yaml", "t/root.yaml") if is_elsewhere else ("./",)
    assert PLANNER.inputs(MemoryTree(files), target(**GIVEN)) == wanted


def test_a_change_inside_a_nested_stack_is_found():
    moved = FILES | {"t/root.yaml": ROOT_STACK.replace("10.0.", "10.1.")}
    found = {name: change.action.value for name, change in changes(FILES, moved, **GIVEN).items()}
    assert found == {"Network": "update", "Network/Vpc": "replace"}
    risks = changes(FILES, moved, **GIVEN)["Network/Vpc"].risks
    assert any("Network/Own, Network/Subnets, Network/Subnets/A" in risk.text for risk in risks)


@pytest.mark.parametrize(
    ("files", "failure", "word"),
    [
        ({"t/network/vpc.yaml": VPC.replace("../network/subnets.json", "vpc.yaml")}, Failure.TEMPLATE, "contains itself"),
        ({"t/network/vpc.yaml": VPC.replace("../network/subnets.json", "../root.yaml")}, Failure.TEMPLATE, "contains itself"),
        ({"t/network/vpc.yaml": VPC.replace("../network/subnets.json", "../../../x")}, Failure.REFUSED, "leads out"),
        ({"t/network/vpc.yaml": VPC.replace("../network/subnets.json", "none.yaml")}, Failure.MISSING_INPUT, "t/network/none.yaml"),
        ({"t/network/vpc.yaml": VPC.replace("!Ref Pin", "!Ref Nothing")}, Failure.TEMPLATE, "t/network/vpc.yaml, line 7"),
        ({"t/root.yaml": ROOT_STACK.replace("Zone: !Ref Zone, ", "")}, Failure.MISSING_INPUT, "parameter Zone"),
        ({"t/root.yaml": ROOT_STACK.replace("./network/vpc.yaml", "[1]")}, Failure.TEMPLATE, "TemplateURL"),
    ],
)  # fmt: skip
def test_nested_stacks_that_cannot_be_read_are_refused(files, failure, word):
    with pytest.raises(RenderError) as caught:
        created(FILES | files, **GIVEN)
    assert caught.value.failure is failure
    assert word in caught.value.message


def test_the_name_of_a_nested_stack_is_not_that_of_the_stack_around_it():
    files = {
        "t.yaml": "Resources: {S: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: n.yaml, Parameters: {P: !Ref AWS::StackName}}}}",
        "n.yaml": "Parameters: {P: {Type: String}}\nResources: {A: {Type: Custom::A, Properties: {P: !Ref P, Own: !Ref AWS::StackName}}}",
    }
    assert created(files)["S/A"]["Properties"] == {"P": "shop", "Own": "${AWS::StackName S}"}
    assert created(files, stack="")["S/A"]["Properties"] == {"P": "${AWS::StackName}", "Own": "${AWS::StackName S}"}


def test_stacks_that_multiply_are_bounded():
    stack = "{{Type: AWS::CloudFormation::Stack, Properties: {{TemplateURL: {}.yaml}}}}"
    files = {
        f"{at}.yaml": "Resources:\n" + "".join(f"  S{n}: {stack.format(at + 1)}\n" for n in range(50))
        for at in range(6)
    }
    files |= {"6.yaml": "Resources: {A: {Type: Custom::A}}"}
    with pytest.raises(RenderError) as caught:
        created(files, template="0.yaml")
    assert caught.value.failure is Failure.TOO_LARGE
    assert len(PLANNER.inputs(MemoryTree(files), target(template="0.yaml"))) == 7
    padding = "# " + "x" * 1_000_000
    large = {f"n{at}.yaml": f"Resources: {{A: {{Type: Custom::A}}}}\n{padding}" for at in range(40)}
    large["t.yaml"] = "Resources:\n" + "".join(f"  S{at}: {stack.format(f'n{at}')}\n" for at in range(40))
    with pytest.raises(RenderError) as caught:
        created(large)
    assert caught.value.failure is Failure.TOO_LARGE
    deep = {f"{at}.yaml": f"Resources: {{S: {stack.format(at + 1)}}}" for at in range(12)}
    with pytest.raises(RenderError, match="nested too deeply"):
        created(deep | {"12.yaml": "Resources: {A: {Type: Custom::A}}"}, template="0.yaml")


CANARY = "canary-5f2d"
SECRETIVE = """\
Parameters:
  Pin: {{Type: String, NoEcho: true}}
  Codes: {{Type: CommaDelimitedList, NoEcho: "true"}}
  DbPassword: {{Type: String}}
  Stored: {{Type: "AWS::SSM::Parameter::Value<String>", NoEcho: true}}
Conditions:
  HasPin: !Not [!Equals [!Ref Pin, ""]]
  IsKnown: !Equals [!Ref Pin, {canary}]
Resources:
  A:
    Type: Custom::Thing
    Metadata: {{Pin: !Ref Pin}}
    Properties:
      Plain: !Ref Pin
      Sub: !Sub "user:${{Pin}}@host"
      Own: !Sub ["${{X}}!", {{X: !Join ["-", [a, !Ref Pin]]}}]
      Listed: !Join [",", !Ref Codes]
      Selected: !Select [1, !Ref Codes]
      Split: !Split ["-", !Ref Pin]
      Base: !Base64 {{"Fn::Sub": "echo ${{Pin}}"}}
      Import: {{"Fn::ImportValue": !Sub "x-${{Pin}}"}}
      Map: !FindInMap [M, !Ref AWS::Region, !Ref Pin]
      Password: !Ref DbPassword
      Stored: !Ref Stored
      Given: !If [HasPin, "yes it is", "no"]
      Known: !If [IsKnown, "the same", "another"]
      Name: !GetAtt "A2.x"
  A2: {{Type: Custom::Thing}}
  Nested:
    Type: AWS::CloudFormation::Stack
    Properties: {{TemplateURL: n.yaml, Parameters: {{Word: !Sub "${{Pin}}", Pin: "{canary}"}}}}
  Secret: {{Type: AWS::SecretsManager::Secret, Properties: {{SecretString: "{canary}"}}}}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
      - Name: web
        Environment: [{{Name: API_TOKEN, Value: "{canary}"}}, {{Name: MODE, Value: plain}}]
  Database:
    Type: AWS::RDS::DBInstance
    Properties: {{MasterUserPassword: "{canary}", MasterUsername: admin}}
  Other:
    Type: AWS::RDS::DBInstance
    Properties: {{MasterUserPassword: "{{{{resolve:secretsmanager:shop:SecretString:password}}}}"}}
  Third: {{Type: AWS::RDS::DBInstance, Properties: {{MasterUserPassword: !Ref A}}}}
Outputs:
  Out: {{Value: !Ref Pin, Export: {{Name: !Sub "x-${{Pin}}"}}}}
"""
NESTED = """\
Parameters: {Word: {Type: String}, Pin: {Type: String, NoEcho: true}}
Resources: {A: {Type: Custom::Thing, Properties: {W: !Ref Word, P: !Ref Pin}}}
"""


def secretive(canary, **edits):
    values = {"Pin": canary, "Codes": f"{canary}1,{canary}2", "DbPassword": canary, "Stored": canary}
    text = SECRETIVE.format(canary=canary)
    for old, new in edits.items():
        text = text.replace(old, new)
    return {"t.yaml": text, "n.yaml": NESTED, "p.json": json.dumps(values)}


def test_no_secret_is_found_in_anything_that_is_returned():
    before, after = secretive(CANARY), secretive(f"{CANARY}-other")
    found = plan(before, after, parameters="p.json")
    assert CANARY not in repr(found)
    assert repr(found).count(MARK) > 20
    names = {change.id.name for change in found.difference.changes if change.id.kind != "Export"}
    assert names == {"A", "Nested", "Nested/A", "Secret", "Task", "Database"}
    assert any(change.id.kind == "Export" for change in found.difference.changes)
    assert "The output" in " ".join(found.warnings)
    assert CANARY not in repr(plan({}, before, parameters="p.json"))


def test_secrets_are_compared_by_their_fingerprints_and_references_stay_readable():
    found = created(secretive(CANARY), parameters="p.json")
    values = found["A"]["Properties"]
    mark = FINGERPRINT(CANARY.encode())
    assert (values["Plain"], values["Given"], values["Known"]) == (mark, "yes it is", "the same")
    assert values["Sub"] == f"user:{mark}@host"
    assert values["Selected"] == FINGERPRINT(f"{CANARY}2".encode())
    assert values["Name"] == "${A2.x}"
    assert found["Nested/A"]["Properties"] == {"W": mark, "P": mark}
    assert found["Nested"]["Properties"]["Parameters"] == {"Word": mark, "Pin": mark}
    assert found["Secret"]["Properties"]["SecretString"] == mark
    assert found["Task"]["Properties"]["ContainerDefinitions"][0]["Environment"][1] == {
        "Name": "MODE",
        "Value": "plain",
    }
    assert found["Database"]["Properties"] == {"MasterUserPassword": mark, "MasterUsername": "admin"}
    assert found["Other"]["Properties"]["MasterUserPassword"].startswith("{{resolve:secretsmanager:")
    assert found["Third"]["Properties"]["MasterUserPassword"] == "${A}"
    empty = {**secretive(CANARY), "p.json": json.dumps({"Pin": "", "Codes": "a", "DbPassword": "", "Stored": "s"})}
    edits = {**empty, "t.yaml": empty["t.yaml"].replace("      Selected: !Select [1, !Ref Codes]\n", "")}
    edits["t.yaml"] = edits["t.yaml"].replace("      Map: !FindInMap [M, !Ref AWS::Region, !Ref Pin]\n", "")
    assert created(edits, parameters="p.json")["A"]["Properties"]["Given"] == "no"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("!Ref Stored\n", "!Ref Nowhere\n"),
        ("[1, !Ref Codes]", "[!Ref Pin, [a]]"),
        ("[1, !Ref Codes]", "[7, !Ref Codes]"),
        ("!Split [\"-\", !Ref Pin]", "!Cidr [!Ref DbPassword, x, y]"),
        ("[!Ref Pin, \"\"]", "[!Sub \"a${Pin}\", b]"),
        ("[!Ref Pin, \"\"]", "[!Ref Stored, b]"),
        ("[!Ref Pin, \"\"]", "[!Ref Codes, b]"),
        ("TemplateURL: n.yaml", "TemplateURL: !Sub \"x/${Pin}\""),
        (f'n.yaml, Parameters: {{Word: !Sub "${{Pin}}", Pin: "{CANARY}"}}', "!Ref DbPassword"),
        ("Pin: {Type: String, NoEcho: true}", "Pin: {Type: String, NoEcho: true, AllowedValues: [x]}"),
        ("Pin: {Type: String, NoEcho: true}", "Pin: {Type: String, NoEcho: true, Default: ••••}"),
        ("Resources:", "Resource:"),
        ("Resources:", "Transform: x\nResources:"),
    ],
)  # fmt: skip
def test_no_secret_is_found_in_the_text_of_an_error(old, new):
    files = secretive(CANARY, **{old: new})
    assert files["t.yaml"] != secretive(CANARY)["t.yaml"]
    try:
        text = repr(plan({}, files, parameters="p.json"))
    except RenderError as error:
        text = repr(error) + "".join(traceback.format_exception_only(error)) + error.path
    assert CANARY not in text


def test_a_condition_that_asks_for_a_part_of_a_secret_has_no_answer():
    files = secretive(CANARY, **{'[!Ref Pin, ""]': '[!Sub "a${Pin}", b]'})
    with pytest.raises(RenderError, match="a part of a secret") as caught:
        created(files, parameters="p.json")
    assert caught.value.failure is Failure.UNSUPPORTED
