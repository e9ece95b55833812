"""The structure of Terraform's files is read as Terraform reads it, and nothing hides from it in strings or comments."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.rendering.model import Failure, RenderError, Source
from apps.rendering.terraform import hcl, modules
from tests.support.timing import processor_seconds
from tests.support.trees import MemoryTree


def read(text, path="main.tf"):
    return hcl.read(text if isinstance(text, bytes) else text.encode(), path)


def names(block):
    return [(each.name, each.labels, each.line) for each in block.blocks]


def refused(text, path="main.tf"):
    with pytest.raises(RenderError) as found:
        read(text, path)
    assert found.value.failure is Failure.TEMPLATE
    return found.value


def test_blocks_have_labels_lines_and_attributes():
    found = read('# a\nmodule "a" {\n  source = "./a"\n  x = [1,\n 2]\n}\n\nlocals { y = 1 }\nresource aws_eip b {}\n')
    assert names(found) == [("module", ("a",), 2), ("locals", (), 8), ("resource", ("aws_eip", "b"), 9)]
    assert found.blocks[0].text("source") == "./a"
    assert found.blocks[0].text("x") is None
    assert [token.text for token in found.blocks[1].attributes["y"]] == ["1"]


@pytest.mark.parametrize(
    "hiding",
    [
        '# provider "x" {}',
        '// provider "x" {}',
        '/* provider "x" {\n */',
        'a = "provider \\"x\\" {}"',
        'a = <<EOF\nprovider "x" {}\n EOF2\n  EOF',
        'a = <<-EOF\n"{${\nEOF',
        'a = "${"}"}{"',
        'a = "${ { b = "}" } }"',
        'a = "$${"',
        'a = "%%{"',
        'a = "%{ if true }{%{ endif }"',
        'a = {\n  provider = { "x" = 1 }\n}',
        'a = [for x in y : "${x}" if x != ""]',
        "a = (\n1\n)",
        "a = b == c ? { d : 1 } : { e = 2 }",
    ],
)
def test_nothing_is_read_from_strings_and_comments_and_nothing_hides_behind_them(hiding):
    found = read(f'{hiding}\nprovider "y" {{}}\n'.replace("EOFprovider", "EOF\nprovider"))
    assert [(block.name, block.labels) for block in found.blocks] == [("provider", ("y",))]


@pytest.mark.parametrize(
    "text", ["a {", "}", "a = 1 }", 'a = "', "a = (", "a = <<EOF\nx", "/* a", "a b\nc {}", "= 1", "a = [)"]
)
def test_files_that_cannot_be_read_are_refused_with_their_place(text):
    error = refused(f"\n{text}\n")
    assert error.path == "main.tf"


def test_what_is_no_text_and_json_that_is_none_is_refused():
    refused(b"\xff")
    refused("{", "main.tf.json")
    refused("[]", "main.tf.json")
    refused("[" * 100_000, "main.tf.json")
    refused("a {\n" * 60 + "}\n" * 60)


@pytest.mark.parametrize("text", ['"\\"' * 300_000, "/*" * 500_000, "<<A\n" * 200_000, '"${' * 200_000, "{" * 500_000])
def test_hostile_files_end_soon(text):
    with processor_seconds(5):
        refused(f"a = {text}")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='ab "${}[]()=\n#/*\\<E-,.', max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        read(text)
    except RenderError as error:
        assert error.failure is Failure.TEMPLATE  # noqa: PT017 - either is right


def test_the_json_form_has_the_same_blocks():
    text = json.dumps({"resource": {"aws_eip": {"a": {"x": "y"}}}, "module": [{"m": {"source": "./m"}}]})
    found = read(text, "main.tf.json")
    assert [(block.name, block.labels) for block in found.blocks] == [
        ("resource", ("aws_eip", "a")),
        ("module", ("m",)),
    ]
    assert found.blocks[1].text("source") == "./m"


def test_modules_are_followed_once_and_resources_found_in_them():
    tree = MemoryTree({
        "live/main.tf": 'module "a" { source = "../m/a" }\nmodule "b" { source = "../m/b" }\n',
        "m/a/main.tf": 'module "inner" { source = "../b" }\n',
        "m/b/main.tf": '\nresource "terraform_data" "x" {}\n',
        "m/b/deep/main.tf": "}",
    })  # fmt: skip
    reading = modules.follow(tree, "live")
    assert (reading.problem, reading.inputs) == (None, {"live/", "m/a/", "m/b/"})
    wanted = Source("m/b/main.tf", 2)
    assert modules.source_of(reading, "live", 'module.b["a.b]"].terraform_data.x[0]') == wanted
    assert modules.source_of(reading, "live", "module.a[1].module.inner.terraform_data.x (deposed 1)") == wanted
    assert modules.source_of(reading, "live", "module.c.terraform_data.x") is None
    assert modules.source_of(reading, "live", "terraform_data.x") is None


@pytest.mark.parametrize(
    ("expression", "elsewhere"),
    [
        ('file("./a")', False),
        ('file("${path.module}/a")', False),
        ('"1..2"', False),
        ('file("../a")', True),
        ('file("${path.module}/../a")', True),
        ('file("a/..")', True),
        ('"${dirname(path.module)}/a"', True),
        ("dirname(path.module)", True),
    ],
)
def test_what_may_read_beside_its_module_makes_everything_an_input(expression, elsewhere):
    tree = MemoryTree({"live/main.tf": f"locals {{\n  a = {expression}\n}}\n"})
    assert modules.follow(tree, "live").inputs == ({"./"} if elsewhere else {"live/"})


def test_a_file_that_cannot_be_read_makes_the_inputs_wide_and_is_a_problem():
    reading = modules.follow(MemoryTree({"live/main.tf": "{"}), "live")
    assert (reading.inputs, reading.problem.failure) == ({"./"}, Failure.TEMPLATE)


def test_modules_behind_links_are_read():
    tree = MemoryTree(
        {"live/main.tf": 'module "a" { source = "./m" }\n', "@live/m": "../real", "real/a.tf": 'provider "x" {}\n'}
    )
    assert "The provider x" in modules.follow(tree, "live").problem.message
