"""What a change destroys and which rights it touches, told from the source; what cannot be told counts as both."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.diffs import documents, terraform
from apps.diffs.effects import MAX_BYTES, effects_of
from apps.diffs.files import FileChange

DEPLOYMENT = b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n"
SERVICE = b"apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n"
ROLE = b"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: admin}\n"


def changed(path: str, status: str = "M", old_mode: str = "100644", new_mode: str = "100644") -> FileChange:
    return FileChange("0" * 8, status, path, path, old_mode, new_mode, "1" * 40, "2" * 40)


def kinds(path: str, old: bytes | None, new: bytes | None, **options: str) -> set[str]:
    return {found.kind for found in effects_of(changed(path, **options), old, new)}


def words(path: str, old: bytes | None, new: bytes | None, **options: str) -> set[str]:
    return {f"{found.kind} {found.what}" for found in effects_of(changed(path, **options), old, new)}


def test_a_deleted_file_is_a_destroy() -> None:
    assert words("a.txt", b"x", None, status="D", new_mode="000000") == {"destroys the whole file"}


def test_a_document_that_the_new_side_lacks_is_destroyed_by_name() -> None:
    both = DEPLOYMENT + b"---\n" + SERVICE
    assert words("a.yaml", both, SERVICE) == {"destroys Deployment shop/web"}
    assert words("a.yaml", SERVICE, both) == set()
    assert words("a.yaml", both, both.replace(b"name: web,", b"name: web, labels: {a: b},")) == set()


@pytest.mark.parametrize(
    "after", [DEPLOYMENT.replace(b"name: web", b"name: www"), DEPLOYMENT.replace(b"shop", b"other"), b"", b"a: 1\n"]
)
def test_another_name_or_namespace_is_another_document(after: bytes) -> None:
    assert kinds("a.yaml", DEPLOYMENT, after) == {"destroys"}


@pytest.mark.parametrize("kind", sorted(documents.RBAC_KINDS))
def test_rights_are_found_on_either_side(kind: str) -> None:
    holds = ROLE.replace(b"ClusterRole", kind.encode())
    assert "rbac" in kinds("a.yaml", holds, holds + b"rules: []\n")
    assert "rbac" in kinds("a.yaml", b"a: 1\n", holds)
    assert "rbac" in kinds("a.yml", holds, b"a: 1\n")


HIDDEN_ROLES = [
    b'{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "x"}}',
    b"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ServiceAccount, metadata: {name: x}}\n",
    b"kind: ConfigMap\nkind: ClusterRole\napiVersion: v1\nmetadata: {name: x}\n",
    b'"k\\x69nd": "Cluster\\x52ole"\napiVersion: v1\nmetadata: {name: x}\n',
    b"a: &r {kind: ClusterRole, apiVersion: v1}\n<<: *r\n",
    b"a: &r ClusterRole\nkind: *r\napiVersion: v1\n",
    b"apiVersion: v1\nkind: {{ .Values.kind }}\nmetadata: {name: x}\n",
    b'{{ include "library.role" . }}\n',
    b"{{- if .Values.rbac }}\napiVersion: v1\nkind: ClusterRole\nmetadata:\n  name: x\n{{- end }}\n",
    b"{{- range .Values.all }}\n---\n{{ toYaml . }}\n{{- end }}\n",
    b"apiVersion: v1\nkind: ClusterRoleList\nitems: []\n",
    b"apiVersion: v1\nkind: ConfigMap\nitems:\n- {apiVersion: v1, kind: ServiceAccount, metadata: {name: x}}\n",
    b"apiVersion: rbac.authorization.k8s.io/v1\nkind: !!binary Q2x1c3RlclJvbGU=\nmetadata: {name: x}\n",
    b"apiVersion: rbac.authorization.k8s.io/v1\n!!binary a2luZA==: ClusterRole\nmetadata: {name: x}\n",
    b"%TAG !k! tag:yaml.org,2002:\n---\napiVersion: v1\nkind: !k!binary Q2x1c3RlclJvbGU=\n",
    b"\tkind: [broken",
    b"\xff\xfe\x00broken",
    b"Resources:\n  R:\n    Type: AWS::IAM::Role\n    Properties: {Name: !Sub 'x'}\n",
    b"[" * 100_000,
    b"a:\n" + b"- x\n" * 150_000 + b"- x\n" * 60_000,
]  # fmt: skip


@pytest.mark.parametrize("content", HIDDEN_ROLES, ids=range(len(HIDDEN_ROLES)))
def test_rights_cannot_be_hidden_by_how_they_are_written(content: bytes) -> None:
    assert "rbac" in kinds("a.yaml", b"a: 1\n", content)


def test_what_cannot_be_told_counts_as_both() -> None:
    assert kinds("a.yaml", DEPLOYMENT, b"{{ broken") == {"destroys", "rbac"}
    assert kinds("a.yaml", None, None) == {"destroys", "rbac"}
    assert kinds("a.yaml", DEPLOYMENT, b"elsewhere", status="T", new_mode="120000") == {"destroys", "rbac"}
    assert kinds("a.tf", b"", b'resource "a" "b" {') == {"destroys", "rbac"}
    assert MAX_BYTES >= 100_000


def test_ordinary_text_has_no_effects() -> None:
    assert kinds("README.md", b"# A role\nkind of", b"# Other\n") == set()
    assert kinds("env/values.yaml", b"replicas: 1\nimage: {tag: 1}\n", b"replicas: 2\n") == set()
    assert kinds("logo.png", b"\x89PNG\x00", b"\x89PNG\x01") == set()
    assert kinds("rules.jsonnet", b"", b"{ kind: 'ClusterRole' }") == {"rbac"}


TERRAFORM = b"""\
# resource "aws_iam_role" "commented" {
resource "aws_s3_bucket" "logs" {
  name = "${join("-", ["a", "}"])}"
  text = <<-EOT
    resource "aws_iam_role" "text" {
  EOT
}
/* { */ module "net" { source = "./net" }
"""


def test_terraform_resources_and_modules_are_named_by_address() -> None:
    assert dict(terraform.declared(TERRAFORM).resources) == {"aws_s3_bucket.logs": 1, "module.net": 1}
    assert words("a.tf", TERRAFORM, TERRAFORM.replace(b'"logs"', b'"other"')) == {"destroys aws_s3_bucket.logs"}
    assert words("a.tf", TERRAFORM, b"") == {"destroys aws_s3_bucket.logs", "destroys module.net"}


@pytest.mark.parametrize(
    "kind",
    ["aws_iam_role", "google_project_iam_member", "azurerm_role_assignment", "kubernetes_cluster_role_binding_v1", "google_service_account"],
)  # fmt: skip
def test_terraform_rights_are_found(kind: str) -> None:
    assert kinds("a.tf", b"", f'resource "{kind}" "x" {{\n}}\n'.encode()) == {"rbac"}
    assert kinds("a.tf.json", b"{}", f'{{"resource": {{"{kind}": {{"x": {{}}}}}}}}'.encode()) == {"rbac"}
    assert kinds("a.tf", b"", b'resource "aws_instance" "role" {\n}\n') == set()


ROLE_BLOCK = 'resource "aws_iam_role" "hidden" {\n}\n'
AROUND = [
    ('a = <<EOF\n"\nEOF\n', 'a = <<EOF\n"\nEOF\n'),
    ('a = <<E-F\n"\nE-F\n', 'a = <<E-F\n"\nE-F\n'),
    ('a = <<É\n"\nÉ\n', 'a = <<É\n"\nÉ\n'),
    ("a = <<EOF\nx\n\u00a0EOF\n", "a = <<EOF\nx\nEOF\n"),
    ("a = <<EOF\nx\n\x0bEOF\n", "a = <<EOF\nx\nEOF\n"),
    ('a = <<EOF\n${[for EOF in ["a"] :\nEOF\n][0]}\n /*\nEOF\n', "a = <<EOF\n */\nEOF\n"),
    ('a = "${ /* " */ 1 }"\n', 'a = "${ /* " */ 1 }"\n'),
    ('a = "${ 1 # "\n }"\n', 'a = "${ 1 # "\n }"\n'),
    ('a = "$$${"\n', 'b = "}"\n'),
    ("a = <<EOF\n$$${\nEOF\n", "b = <<EOF\n}\nEOF\n"),
]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(("first", "then"), AROUND)
def test_terraform_rights_cannot_be_hidden_between_texts(first: str, then: str, line_end: str) -> None:
    """What is the inside of a text here, and a block for Terraform."""
    text = f"locals {{\n{first}}}\n{ROLE_BLOCK}locals {{\n{then}}}\n"
    assert "rbac" in kinds("a.tf", b"", text.replace("\n", line_end).encode())


def test_ordinary_terraform_is_read() -> None:
    code = (
        """locals {
  a = "https://example.org/#top $${x} %%{y} ${join("/*", ["<<", "}"])} // no comment \\"q\\""
  b = "${merge(var.a, {
    x = 1
  })["x"]}"
  c = <<-EOF
    echo "$${HOME}" "${var.a["b"]}" it's { # not a comment
      EOF and more
    %{ for x in var.all ~}
    ${x}
    %{ endfor ~}
  EOF
  d = 10 / 2
}
"""
        + ROLE_BLOCK
    )
    for text in (code, code.replace("\n", "\r\n")):
        assert dict(terraform.declared(text.encode()).resources) == {"aws_iam_role.hidden": 1}


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["a.yaml", "a.json", "a.tf", "a.tf.json", "a"]))
def test_no_content_makes_the_examination_fail(data: bytes, path: str) -> None:
    effects_of(changed(path), data, data[::-1])
