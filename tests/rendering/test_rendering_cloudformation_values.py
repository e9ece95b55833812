"""What templates make of their values: known text, markers for what is not known yet, and refusals with their place."""

from __future__ import annotations

import json
import textwrap

import pytest

from apps.rendering.model import Failure, RenderError
from tests.support.stacks import created, plan
from tests.support.timing import processor_seconds

HEAD = """\
Parameters:
  Name: {Type: String, Default: web}
  Empty: {Type: String, Default: ""}
  Many: {Type: CommaDelimitedList, Default: "a, b,c"}
  Count: {Type: Number, Default: 3}
  Image: {Type: "AWS::SSM::Parameter::Value<String>", Default: /images/base}
Mappings:
  Sizes:
    eu-west-1: {small: t3.micro, zones: [a, b]}
Conditions:
  IsWeb: !Equals [!Ref Name, web]
  IsOther: !Not [!Condition IsWeb]
  Both: !And [!Condition IsWeb, !Not [!Equals [!Ref Empty, x]]]
  Either: !Or [!Equals [!Ref "AWS::AccountId", "1"], !Condition IsWeb]
  Account: !Equals [!Ref "AWS::AccountId", "1"]
Resources:
  Vpc: {Type: AWS::EC2::VPC}
  Off: {Type: AWS::EC2::VPC, Condition: IsOther}
  Thing:
    Type: Custom::Thing
    Properties:
"""


def value_of(text, **given):
    """The property ``V`` of a resource whose value is this YAML."""
    whole = HEAD + textwrap.indent(text if "\n" in text or text.startswith("Other") else f"V: {text}", "      ") + "\n"
    return created({"t.yaml": whole}, **given)["Thing"]["Properties"].get("V", "NOTHING")


VALUES = {
    "!Ref Name": "web",
    "!Ref Many": ["a", "b", "c"],
    "!Ref Count": "3",
    "!Ref Image": "${SSM::/images/base}",
    "!Ref Vpc": "${Vpc}",
    "!Ref AWS::Region": "eu-west-1",
    "!Ref AWS::StackName": "shop",
    "!Ref AWS::AccountId": "${AWS::AccountId}",
    "!Ref AWS::NoValue": "NOTHING",
    "[1, !Ref AWS::NoValue, two]": [1, "two"],
    "!GetAtt Vpc.CidrBlock": "${Vpc.CidrBlock}",
    "!GetAtt [Vpc, DefaultNetworkAcl]": "${Vpc.DefaultNetworkAcl}",
    "{Fn::GetAtt: Vpc.CidrBlock}": "${Vpc.CidrBlock}",
    "!ImportValue network-vpc": "${Fn::ImportValue network-vpc}",
    "{'Fn::ImportValue': !Sub '${Name}-vpc'}": "${Fn::ImportValue web-vpc}",
    '!Sub "${Name}-${Vpc}-${!Literal}-${AWS::Region}"': "web-${Vpc}-${Literal}-eu-west-1",
    '!Sub ["${Name}/${Own}", {Own: !Ref Count}]': "web/3",
    '!Sub ["${Empty}|${Own}", {Own: ""}]': "|",
    '!Sub "${Vpc.CidrBlock}"': "${Vpc.CidrBlock}",
    '!Sub "${!Vpc}"': "${!Vpc}",
    '"${Vpc}"': "${!Vpc}",
    '"${!Vpc}"': "${!!Vpc}",
    '"${HOME} ${aws:username}"': "${HOME} ${aws:username}",
    '"${Fn::ImportValue x}"': "${!Fn::ImportValue x}",
    "!FindInMap [Sizes, !Ref AWS::Region, small]": "t3.micro",
    "!FindInMap [Sizes, eu-west-1, zones]": ["a", "b"],
    "!FindInMap [Sizes, !Ref AWS::AccountId, small]": "${Fn::FindInMap Sizes AWS::AccountId small}",
    '!Join ["-", [a, 1, true, !Ref Vpc]]': "a-1-true-${Vpc}",
    '!Join ["", !Ref Many]': "abc",
    '!Join [",", !GetAZs eu-west-1]': '${Fn::Join "," Fn::GetAZs eu-west-1}',
    "!Select [1, !Ref Many]": "b",
    '!Select ["0", [x, y]]': "x",
    "!Select [0, !GetAZs '']": "${Fn::Select 0 Fn::GetAZs eu-west-1}",
    "{'Fn::GetAZs': null}": "${Fn::GetAZs eu-west-1}",
    '!Split ["|", "a|b||"]': ["a", "b", "", ""],
    '!Split [".", !GetAtt Vpc.Arn]': '${Fn::Split "." Vpc.Arn}',
    '!Select [1, !Split [":", "x:y"]]': "y",
    "!If [IsWeb, yes-it-is, !Ref Nowhere]": "yes-it-is",
    "!If [IsOther, 1, 2]": 2,
    "!If [Both, 1, 2]": 1,
    "!If [Either, 1, 2]": 1,
    "!If [IsOther, 1, !Ref AWS::NoValue]": "NOTHING",
    "!Base64 text": {"Fn::Base64": "text"},
    "{'Fn::Base64': !Sub 'echo ${Name}'}": {"Fn::Base64": "echo web"},
    "!Cidr [10.0.0.0/16, 2, 8]": ["10.0.0.0/24", "10.0.1.0/24"],
    "!Cidr [!GetAtt Vpc.CidrBlock, 2, 8]": "${Fn::Cidr Vpc.CidrBlock 2 8}",
    '"{{resolve:ssm:/a/b:1}}"': "{{resolve:ssm:/a/b:1}}",
    "{y: N, on: yes, 1: Off, n: [y]}": {"y": "N", "on": True, "1": False, "n": ["y"]},
    "{a: 2010-09-09, b: null, c: 1.5}": {"a": "2010-09-09", "b": None, "c": 1.5},
    "{Condition: {Bool: {a: b}}}": {"Condition": {"Bool": {"a": "b"}}},
}
REFUSED = {
    "!Ref Nowhere": (Failure.TEMPLATE, "Nowhere"),
    "!Ref Off": (Failure.TEMPLATE, "Off"),
    "!GetAtt Off.Arn": (Failure.TEMPLATE, "Off"),
    "!Ref AWS::Nothing": (Failure.TEMPLATE, "AWS::Nothing"),
    "!GetAtt Vpc": (Failure.TEMPLATE, "GetAtt"),
    '!Sub "${Nowhere}"': (Failure.TEMPLATE, "Nowhere"),
    '!Sub "${Many}"': (Failure.TEMPLATE, "Many"),
    "!FindInMap [Sizes, eu-west-1, large]": (Failure.TEMPLATE, "large"),
    "!FindInMap [A, b, c, {DefaultValue: d}]": (Failure.UNSUPPORTED, "macro"),
    "!Select [3, !Ref Many]": (Failure.TEMPLATE, "3"),
    "!Select [x, !Ref Many]": (Failure.TEMPLATE, "x"),
    "!Join [1]": (Failure.TEMPLATE, "Join"),
    '!Split ["", a]': (Failure.TEMPLATE, "Split"),
    "!If [Unknown, 1, 2]": (Failure.TEMPLATE, "Unknown"),
    "!If [Account, 1, 2]": (Failure.MISSING_INPUT, "AWS::AccountId"),
    "!Equals [1, 1]": (Failure.TEMPLATE, "conditions"),
    "!Cidr [10.0.0.0/16, 300, 8]": (Failure.TEMPLATE, "Cidr"),
    "!Cidr [10.0.0.0/24, 2, 8]": (Failure.TEMPLATE, "Cidr"),
    "!Transform {Name: AWS::Include}": (Failure.UNSUPPORTED, "macro"),
    "!Length [a]": (Failure.UNSUPPORTED, "macro"),
    "{'Fn::ForEach::X': [A, [b], {}]}": (Failure.UNSUPPORTED, "macro"),
    "{'Fn::Nothing': 1}": (Failure.TEMPLATE, "Fn::Nothing"),
    "{'Fn::Sub': a, 'Fn::Join': b}": (Failure.TEMPLATE, "Fn::Sub"),
    "••••0123456789ab": (Failure.REFUSED, "fingerprint"),
    "!Unknown x": (Failure.REFUSED, "!Unknown"),
    "!!python/object:os.system x": (Failure.REFUSED, "tag"),
    "{a: 1, a: 2}": (Failure.REFUSED, "twice"),
    "{!Ref Name: 1}": (Failure.REFUSED, "key"),
}


@pytest.mark.parametrize("text", VALUES)
def test_a_value_is_known_as_far_as_the_template_tells(text):
    found = value_of(text)
    assert json.dumps(found) == json.dumps(VALUES[text])
    assert type(found) in {str, int, list, dict}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_template_is_refused_with_file_and_line(text):
    with pytest.raises(RenderError) as caught:
        value_of(text)
    failure, word = REFUSED[text]
    assert (caught.value.failure, caught.value.path) == (failure, "t.yaml")
    assert word in caught.value.message
    assert caught.value.line in {HEAD.splitlines().index("  Thing:") + 1, HEAD.count("\n") + 1}
    assert f"t.yaml, line {caught.value.line}" in caught.value.message


def test_without_its_region_a_template_that_asks_for_it_is_not_guessed():
    assert value_of("!Ref AWS::Region", region="") == "${AWS::Region}"
    assert value_of("!FindInMap [Sizes, !Ref AWS::Region, small]", region="").startswith("${Fn::FindInMap")


def test_a_condition_switches_resources_off():
    assert set(created({"t.yaml": HEAD + "      V: 1\n"})) == {"Vpc", "Thing"}
    given = {"t.yaml": HEAD + "      V: 1\n", "p.json": '{"Name": "other"}'}
    assert set(created(given, parameters="p.json")) == {"Vpc", "Off", "Thing"}


SHAPES = {
    "list": '[{"ParameterKey": "Name", "ParameterValue": "x"}]',
    "pipeline": '{"Parameters": {"Name": "x"}, "Tags": {"a": "b"}}',
    "plain": '{"Name": "x"}',
    "yaml": "Name: x\n",
    "words": '["Name=x"]',
}


@pytest.mark.parametrize("shape", SHAPES)
def test_parameters_are_read_in_the_common_shapes(shape):
    files = {"t.yaml": HEAD + "      V: !Ref Name\n", "p": SHAPES[shape]}
    assert created(files)["Thing"]["Properties"]["V"] == "web"
    assert created(files, parameters="p")["Thing"]["Properties"]["V"] == "x"


@pytest.mark.parametrize(
    ("parameters", "failure", "word"),
    [
        ('[{"ParameterKey": "Name"}]', Failure.TEMPLATE, "Name"),
        ('[{"ParameterKey": "A", "ParameterValue": "1"}, {"ParameterKey": "A", "ParameterValue": "2"}]', Failure.REFUSED, "twice"),
        ('{"A": "canary-1", "A": "canary-2"}', Failure.REFUSED, "twice"),
        ("A: *canary", Failure.REFUSED, "line 1"),
        ("A: !canary 1", Failure.REFUSED, "line 1"),
        ("A: {b: canary}", Failure.TEMPLATE, "parameters"),
        ("canary", Failure.TEMPLATE, "parameters"),
        ("Name: ••••canary", Failure.REFUSED, "fingerprint"),
    ],
)  # fmt: skip
def test_broken_parameters_are_told_without_their_values(parameters, failure, word):
    with pytest.raises(RenderError) as caught:
        created({"t.yaml": HEAD + "      V: 1\n", "p": parameters}, parameters="p")
    assert (caught.value.failure, caught.value.path) == (failure, "p")
    assert word in caught.value.message
    assert "canary" not in repr(caught.value)


PLAIN = "Resources: {A: {Type: Custom::A, Properties: {V: !Ref P}}}\n"


def test_a_parameter_without_a_value_is_named():
    with pytest.raises(RenderError) as caught:
        created({"t.yaml": "Parameters:\n  P: {Type: String}\n" + PLAIN})
    assert (caught.value.failure, caught.value.line) == (Failure.MISSING_INPUT, 2)
    assert "parameter P " in caught.value.message


def test_a_value_that_is_not_allowed_is_refused_and_one_too_many_is_told():
    allowed = "Parameters: {P: {Type: String, AllowedValues: [a, b]}}\n" + PLAIN
    with pytest.raises(RenderError, match="AllowedValues"):
        created({"t.yaml": allowed, "p": "P: c"}, parameters="p")
    assert created({"t.yaml": allowed, "p": "P: b"}, parameters="p")["A"]["Properties"] == {"V": "b"}
    files = {"t.yaml": allowed, "p": "{P: a, Old: b}"}
    assert plan({}, files, parameters="p").warnings == ("t.yaml has no parameters with these names: Old.",)


def test_a_value_that_the_stack_keeps_is_a_marker():
    files = {
        "t.yaml": "Parameters: {P: {Type: String}}\n" + PLAIN,
        "p": '[{"ParameterKey": "P", "UsePreviousValue": true}]',
    }
    assert created(files, parameters="p")["A"]["Properties"] == {"V": "${Fn::Previous P}"}


def test_where_nobody_says_which_values_a_stack_has_those_without_a_default_are_not_known():
    before = """Parameters: {P: {Type: String, NoEcho: true}, Q: {Type: Number, Default: 1}, L: {Type: CommaDelimitedList}}
Resources:
  A: {Type: Custom::A, Properties: {V: !Ref P, W: !Ref Q, First: !Select [0, !Ref L]}}
"""
    found = plan(before, before.replace("W:", "X:"), keeps_parameters=True)
    assert found.warnings == (
        "Compared without the values of P, L: they are not in the repository, and have no defaults.",
    )
    change = {each.id.name: each for each in found.difference.changes}["A"]
    assert change.after["Properties"]["V"] == "${Fn::Previous P}"
    assert {"W", "X"} == set(change.before["Properties"]) ^ set(change.after["Properties"])
    with pytest.raises(RenderError, match="The parameter P has no value and no default"):
        plan(before, before)
    with pytest.raises(RenderError, match="must be true or false"):
        plan(before, before, keeps_parameters="yes")


@pytest.mark.parametrize(
    ("text", "failure", "word"),
    [
        ("", Failure.TEMPLATE, "no CloudFormation template"),
        ("[]", Failure.TEMPLATE, "no CloudFormation template"),
        ("Resources: {}", Failure.TEMPLATE, "no Resources"),
        ("Resources: []", Failure.TEMPLATE, "mapping"),
        ("Resource: {}", Failure.TEMPLATE, "section “Resource”"),
        ("Transform: AWS::Serverless-2016-10-31\nResources: {}", Failure.UNSUPPORTED, "macro"),
        ("Transform: [AWS::LanguageExtensions]\nResources: {}", Failure.UNSUPPORTED, "macro"),
        ("Resources: {'Fn::ForEach::A': []}", Failure.UNSUPPORTED, "macro"),
        ("'Fn::Transform': {Name: AWS::Include}", Failure.UNSUPPORTED, "macro"),
        ("Resources: {A: {Type: AWS::Serverless::Function}}", Failure.UNSUPPORTED, "macro"),
        ("Resources: {A: {}}", Failure.TEMPLATE, "Type"),
        ("Resources: {A-b: {Type: Custom::A}}", Failure.TEMPLATE, "logical id"),
        ("Resources: {A: {Type: Custom::A, Propertys: {}}}", Failure.TEMPLATE, "Propertys"),
        ("Resources: {A: {Type: Custom::A, Properties: []}}", Failure.TEMPLATE, "Properties"),
        ("Parameters: {P: String}\nResources: {A: {Type: Custom::A}}", Failure.TEMPLATE, "Type"),
        ("a: b: c", Failure.TEMPLATE, "line 1"),
        ("---\nResources: {A: {Type: Custom::A}}\n---\nb: 1", Failure.TOO_LARGE, "documents"),
    ],
)
def test_what_is_no_template_says_why(text, failure, word):
    with pytest.raises(RenderError) as caught:
        created({"t.yaml": text})
    assert (caught.value.failure, caught.value.path) == (failure, "t.yaml")
    assert word in caught.value.message


def test_a_template_in_json_is_read_alike():
    whole = {"Parameters": {"P": {"Type": "String", "Default": "x"}}, "Resources": {"A": {"Type": "Custom::A", "Properties": {"V": {"Fn::Sub": "${P}-${AWS::Region}"}}}}}  # fmt: skip
    found = plan({}, {"t.yaml": json.dumps(whole, indent=2)}).difference.changes[0]
    assert found.after == {"Type": "Custom::A", "Properties": {"V": "x-eu-west-1"}}
    assert found.source.line == 9


def chain(count):
    lines = [f"  C{at}: !Not [!Condition C{at + 1}]" for at in range(count)]
    return "Conditions:\n" + "\n".join(lines) + f"\n  C{count}: !Equals [a, a]\n"


def nested_conditions():
    lines = [f"  C{at}: {'!Or [!Equals [a, b], ' * 30}!Condition C{at + 1}{']' * 30}" for at in range(29)]
    return "Conditions:\n" + "\n".join(lines) + "\n  C29: !Equals [a, a]\n"


def one(value):
    return f"Resources:\n  A:\n    Type: Custom::A\n    Properties:\n      V: {value}\n"


def doubled(levels):
    text = "x" * 100
    for _ in range(levels):
        text = f'!Sub ["${{V}}${{V}}${{V}}${{V}}", {{V: {text}}}]'
    return text


HOSTILE = {
    "aliases": "Metadata:\n  a0: &a0 [x, x]\n"
    + "".join(f"  a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]\n" for at in range(1, 9))
    + one("1"),
    "levels": one("[" * 500 + "]" * 500),
    "tags in tags": one("!Base64 " + "[!Base64 " * 200 + "x" + "]" * 200),
    "json levels": '{"a":' * 100_000,
    "substitution": one(doubled(12)),
    "join": f"Parameters: {{P: {{Type: String, Default: {'x' * 400_000}}}}}\n"
    + one(f"!Join ['', [{', '.join(['!Ref P'] * 100)}]]"),
    "many joins": f"Parameters: {{P: {{Type: String, Default: {'x' * 100_000}}}}}\n"
    + one("[" + ", ".join(["!Sub '${P}${P}${P}${P}${P}${P}${P}${P}'"] * 900) + "]"),
    "aliases in aliases": "Metadata:\n  a0: &a0 x\n"
    + "".join(f"  a{at}: &a{at} {'[' * 30}*a{at - 1}{']' * 30}\n" for at in range(1, 60))
    + one("*a59"),
    "conditions in conditions": nested_conditions() + one("!If [C0, 1, 2]"),
    "chain": chain(5000) + one("!If [C0, 1, 2]"),
    "size": one("x" * 2_000_000),
    "lists": f"Parameters: {{P: {{Type: CommaDelimitedList, Default: '{'a,' * 90_000}'}}}}\n"
    + one(f"[{', '.join(['!Ref P'] * 500)}]"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_templates_end_soon_with_a_refusal(name):
    with processor_seconds(5), pytest.raises(RenderError) as caught:
        created({"t.yaml": HOSTILE[name]})
    assert caught.value.failure is Failure.TOO_LARGE


def test_conditions_that_depend_on_themselves_are_refused():
    for text in ("  A: !Not [!Condition B]\n  B: !Not [!Condition A]\n", "  A: !Equals [!Ref R, '']\n"):
        with pytest.raises(RenderError, match="depends on itself"):
            created({"t.yaml": f"Conditions:\n{text}Resources: {{R: {{Type: Custom::A, Condition: A}}}}\n"})
