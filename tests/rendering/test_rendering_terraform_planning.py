"""Terraform itself is asked: what we show is what it plans, and what cannot be planned here is refused before it runs."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from apps.rendering.model import Action, Failure, Kind, RenderError, Source
from apps.rendering.planners import PLANNERS
from apps.rendering.protocol import Target
from apps.rendering.redaction import MARK, keyed
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree, write

CANARY = "canary-7f3e9a5b1d"
FINGERPRINT = keyed(b"key of a test")
PLANNER = PLANNERS[Kind.TERRAFORM]
MAIN = f"""
variable "key" {{
  default   = "{CANARY}"
  sensitive = true
}}

resource "terraform_data" "web" {{
  count            = 2
  input            = {{ size = "small", key = var.key }}
  triggers_replace = ["a"]
}}

resource "terraform_data" "zone" {{
  for_each = toset(["eu", "us"])
  input    = "${{each.key}} zone"
}}

module "queue" {{
  source = "../modules/queue"
  length = 3
}}

output "key" {{
  value     = var.key
  sensitive = true
}}

output "length" {{
  value = module.queue.length
}}
"""
QUEUE = """
variable "length" { type = number }
resource "terraform_data" "queue" { input = var.length }
output "length" { value = var.length }
"""
BEFORE = {"live/main.tf": MAIN, "modules/queue/main.tf": QUEUE, "modules/unused/main.tf": "}", "README": "x"}
CHANGES = {
    "nothing": {},
    "update": {"live/main.tf": MAIN.replace("small", "large")},
    "replace": {"live/main.tf": MAIN.replace('["a"]', '["b"]').replace("small", "large")},
    "fewer": {"live/main.tf": MAIN.replace("= 2", "= 1").replace('"eu", ', "")},
    "more": {"live/main.tf": MAIN.replace("= 2", "= 3").replace('"eu", ', '"eu", "asia", ')},
    "module": {"live/main.tf": MAIN.replace("= 3", "= 4")},
    "secret": {"live/main.tf": MAIN.replace(CANARY, f"{CANARY}-2")},
    "another module": {"live/more.tf": 'module "again" {\n  source = "./../modules/queue"\n  length = 1\n}\n'},
}


def box(**changes):
    return toolbox("terraform", **changes)


def plan(before, after, **target):
    place = Target("live", "production", Kind.TERRAFORM, {"path": "live", **target})
    return PLANNER.plan(before, after, place, box(), FINGERPRINT)


def refused(files, before=None, **target):
    with pytest.raises(RenderError) as found:
        plan(MemoryTree(before or {}), MemoryTree(files), **target)
    return found.value


def terraform(folder, *arguments):
    environment = {
        **os.environ,
        "TF_CLI_CONFIG_FILE": os.devnull,
        "CHECKPOINT_DISABLE": "1",
        "TF_DATA_DIR": f"{folder}/data",
    }
    line = [str(box().find("terraform")), *arguments]
    return subprocess.run(line, cwd=folder / "live", env=environment, capture_output=True, check=True).stdout


def applied(tree, folder):
    """The state after the code was applied for real."""
    write(tree, folder)
    terraform(folder, "init", "-input=false")
    terraform(folder, "apply", "-input=false", "-auto-approve", f"-state={folder}/state")
    return folder / "state"


def shown(tree, state, folder):
    """What Terraform itself plans for this code and this state."""
    write(tree, folder)
    terraform(folder, "init", "-input=false")
    terraform(folder, "plan", "-input=false", "-lock=false", f"-state={state}", f"-out={folder}/plan")
    return json.loads(terraform(folder, "show", "-json", f"{folder}/plan"))


WORDS = {
    "create": "create",
    "update": "update",
    "delete": "delete",
    "delete create": "replace",
    "create delete": "replace",
}


def told(document):
    changes = {each["address"]: each["change"] for each in document["resource_changes"]}
    changes |= {f"output.{name}": change for name, change in document.get("output_changes", {}).items()}
    found = ((name, WORDS.get(" ".join(change["actions"]))) for name, change in changes.items())
    return {(name, action) for name, action in found if action}


def ours(found):
    return {(change.id.name, change.action.value) for change in found.difference.changes}


def fields(change):
    return {field.path: (field.before, field.after) for field in change.fields}


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return applied(MemoryTree(BEFORE), tmp_path_factory.mktemp("applied"))


@pytest.mark.parametrize("name", CHANGES)
def test_we_say_what_terraform_plans_once_the_code_before_was_applied(name, state, tmp_path):
    """Both ways: by comparing what the code says, and with the state in the repository."""
    before = MemoryTree({**BEFORE, "states/live": state.read_bytes()})
    after = MemoryTree({**BEFORE, **CHANGES[name], "states/live": b"a change cannot say what is there"})
    wanted = shown(after, state, tmp_path)
    compared, known = plan(before, after), plan(before, after, state="states/live")
    assert ours(compared) == ours(known) == told(wanted)
    assert bool(told(wanted)) is (name != "nothing")
    quiet = sum(each["change"]["actions"] == ["no-op"] for each in wanted["resource_changes"])
    assert compared.difference.unchanged == known.difference.unchanged == quiet
    assert "state of the environment is not known" in compared.warnings[0]
    assert not any("not known" in warning for warning in known.warnings)
    assert known.inputs == (*compared.inputs, "states/live")
    assert CANARY not in repr((compared, known))


def test_fields_sources_risks_and_inputs_of_a_plan():
    found = plan(MemoryTree(BEFORE), MemoryTree({**BEFORE, **CHANGES["replace"]}))
    web = found.difference.changes[0]
    assert (web.id.api, web.id.kind, web.id.name) == (
        "terraform.io/builtin/terraform",
        "terraform_data",
        "terraform_data.web[0]",
    )
    assert fields(web) == {("input", "size"): ("small", "large"), ("triggers_replace", 0): ("a", "b")}
    assert web.replace_paths == (("triggers_replace",),)
    assert [risk.code for risk in web.risks] == ["replace"]
    assert web.source == Source("live/main.tf", 7)
    assert found.inputs == ("live/", "modules/queue/")
    assert (found.tool.name, len(found.tool.sha256)) == ("terraform", 64)
    assert PLANNER.inputs(MemoryTree(BEFORE), Target("live", "", Kind.TERRAFORM, {"path": "live"})) == found.inputs


def test_a_secret_that_changes_is_seen_to_change_and_outputs_are_told():
    found = plan(MemoryTree(BEFORE), MemoryTree({**BEFORE, **CHANGES["secret"]}))
    ((before, after),) = fields(found.difference.changes[0]).values()
    assert before.startswith(MARK)
    assert after.startswith(MARK)
    assert before != after
    assert any(warning.startswith("The output key changes from ••••") for warning in found.warnings)
    changed = plan(MemoryTree(BEFORE), MemoryTree({**BEFORE, **CHANGES["module"]}))
    assert "The output length changes from 3 to 4." in changed.warnings
    output, *others = changed.difference.changes
    assert (output.id.name, fields(output)) == ("output.length", {("length",): (3, 4)})
    assert others[0].source == Source("modules/queue/main.tf", 3)


def test_a_new_module_is_created_and_one_that_goes_is_deleted(state):
    nothing = MemoryTree({"README": "x"})
    there = MemoryTree({**BEFORE, "states/live": state.read_bytes()})
    assert {change.action for change in plan(nothing, there).difference.changes} == {Action.CREATE}
    assert {change.action for change in plan(there, nothing).difference.changes} == {Action.DELETE}
    with_state = plan(there, nothing, state="states/live")
    assert ours(with_state) == {(name, "delete") for name, _ in ours(plan(nothing, there))}
    assert refused({"README": "x"}).failure is Failure.MISSING_INPUT


def test_files_of_values_and_the_workspace_are_used():
    code = 'variable "size" {}\nresource "terraform_data" "a" {\n  input = "${var.size} ${terraform.workspace}"\n}\n'
    files = {"live/main.tf": code, "values/old.tfvars": 'size = "s"\n', "live/live.auto.tfvars": ""}
    after = {**files, "values/old.tfvars": 'size = "l"\n'}
    found = plan(MemoryTree(files), MemoryTree(after), variables=["values/old.tfvars"], workspace="blue")
    assert fields(found.difference.changes[0]) == {("input",): ("s blue", "l blue")}
    assert found.inputs == ("live/", "values/old.tfvars")
    assert refused(files, files).failure is Failure.TEMPLATE
    assert refused(files, files, variables=["values/none"]).failure is Failure.MISSING_INPUT


def test_files_beside_the_module_can_be_read_and_make_everything_an_input():
    code = 'resource "terraform_data" "a" {\n  input = file("${path.module}/../shared/text")\n}\n'
    files = {"live/main.tf": code, "shared/text": "one"}
    found = plan(MemoryTree(files), MemoryTree({**files, "shared/text": "two"}))
    assert fields(found.difference.changes[0]) == {("input",): ("one", "two")}
    assert found.inputs == ("./",)


def test_a_state_that_lies_in_the_folder_is_not_taken_for_that_of_the_environment(state):
    files = {**BEFORE, "live/terraform.tfstate": state.read_bytes()}
    assert {change.action for change in plan(MemoryTree({}), MemoryTree(files)).difference.changes} == {Action.CREATE}


def test_blocks_that_need_the_state_are_named():
    code = 'resource "terraform_data" "new" {}\nmoved {\n  from = terraform_data.old\n  to = terraform_data.new\n}\n'
    before = MemoryTree({"live/main.tf": 'resource "terraform_data" "old" {}\n'})
    found = plan(before, MemoryTree({"live/main.tf": code}))
    assert ours(found) == {("terraform_data.old", "delete"), ("terraform_data.new", "create")}
    assert any(warning.startswith("moved blocks need the state") for warning in found.warnings)


def test_a_move_that_terraform_knows_of_changes_nothing_and_is_told(tmp_path):
    before = MemoryTree({"live/main.tf": 'resource "terraform_data" "old" {}\n'})
    data = applied(before, tmp_path).read_bytes()
    code = 'resource "terraform_data" "new" {}\nmoved {\n  from = terraform_data.old\n  to = terraform_data.new\n}\n'
    found = plan(before.changed({"state": data}), MemoryTree({"live/main.tf": code}), state="state")
    (change,) = found.difference.changes
    assert (change.id.name, change.action, change.fields) == ("terraform_data.new", Action.UPDATE, ())
    text = "terraform_data.new was terraform_data.old until now; only its address moves."
    assert [(risk.code, risk.text) for risk in change.risks] == [("state", text)]


def test_what_is_forgotten_is_no_deletion(tmp_path):
    before = MemoryTree({"live/main.tf": 'resource "terraform_data" "old" {}\n'})
    data = applied(before, tmp_path).read_bytes()
    code = "removed {\n  from = terraform_data.old\n  lifecycle {\n    destroy = false\n  }\n}\n"
    found = plan(before.changed({"state": data}), MemoryTree({"live/main.tf": code}), state="state")
    (change,) = found.difference.changes
    assert (change.action, [risk.code for risk in change.risks]) == (Action.UPDATE, ["state"])


@pytest.mark.parametrize(
    ("code", "line", "words"),
    [
        (
            'terraform {\n  required_providers {\n    aws = {\n      source = "hashicorp/aws"\n    }\n  }\n}\n',
            3,
            "hashicorp/aws is not in the sandbox",
        ),
        ('# provider "x" {}\n/*\n*/ provider "google" {\n}\n', 3, "provider google is not"),
        ('resource "aws_s3_bucket" "a" {}\n', 1, "aws_s3_bucket needs a provider"),
        ('data "external" "a" {\n  program = ["sh", "-c", "id"]\n}\n', 1, "external needs a provider"),
        ('data "http" "a" {\n  url = "http://127.0.0.1"\n}\n', 1, "http needs a provider"),
        ('ephemeral "vault_secret" "a" {}\n', 1, "vault_secret needs a provider"),
        ('terraform {\n  backend "s3" {}\n}\n', 2, "kept elsewhere (s3)"),
        ("terraform {\n\n  cloud {}\n}\n", 3, "kept elsewhere (cloud)"),
        ('data "terraform_remote_state" "a" {\n  backend = "http"\n}\n', 1, "state of another module"),
        ('module "vpc" {\n  source = "terraform-aws-modules/vpc/aws"\n}\n', 2, "terraform-aws-modules/vpc/aws"),
        ('module "vpc" {\n  source = "git::ssh://example.test/vpc"\n}\n', 2, "git::ssh://example.test/vpc"),
        ('module "vpc" {\n  source = "./${var.a}"\n}\n', 2, "module vpc"),
        ('module "vpc" {\n  source = var.a\n}\n', 2, "computed"),
    ],
)
def test_what_needs_something_from_elsewhere_is_refused_by_file_and_line(code, line, words):
    error = refused({"live/main.tf": code})
    assert error.failure is Failure.UNSUPPORTED
    assert (error.path, error.line) == ("live/main.tf", line)
    assert words in error.message
    assert f"live/main.tf:{line}" in error.message
    assert "hand the plan in" in error.message


def test_the_json_form_and_modules_are_read_for_it_as_well():
    files = {
        "live/main.tf.json": json.dumps({"module": {"a": {"source": "./a"}}}),
        "live/a/x.tf": 'provider "aws" {}\n',
    }
    assert (refused(files).failure, refused(files).path) == (Failure.UNSUPPORTED, "live/a/x.tf")
    found = refused({"live/main.tf.json": json.dumps({"resource": {"aws_instance": {"a": {}}}})})
    assert found.failure is Failure.UNSUPPORTED
    found = refused({"live/main.tf.json": json.dumps({"terraform": [{"backend": {"s3": {}}}]})})
    assert found.failure is Failure.UNSUPPORTED


def test_the_built_in_provider_and_a_local_backend_are_no_reason_to_refuse():
    code = """
        terraform {
          required_providers { terraform = { source = "terraform.io/builtin/terraform" } }
          backend "local" { path = "/var/state" }
        }
        provider "terraform" {}
        resource "terraform_data" "a" {}
    """
    assert ours(plan(MemoryTree({}), MemoryTree({"live/main.tf": code}))) == {("terraform_data.a", "create")}


def test_modules_that_are_missing_or_outside_are_named():
    missing = refused({"live/main.tf": 'module "a" {\n  source = "./none"\n}\n'})
    assert (missing.failure, missing.line) == (Failure.MISSING_INPUT, 2)
    assert refused({"live/main.tf": 'module "a" {\n  source = "../../../etc"\n}\n'}).failure is Failure.REFUSED
    loop = {"live/main.tf": 'module "a" {\n  source = "../live"\n}\n'}
    assert refused(loop).failure is Failure.TEMPLATE


def test_a_plan_runs_no_provisioner_and_reaches_nothing_of_this_machine(tmp_path):
    code = f"""
        resource "terraform_data" "a" {{
          input = fileexists("/etc/passwd") || fileexists("{tmp_path}/there")
          provisioner "local-exec" {{ command = "touch {tmp_path}/run" }}
        }}
    """
    (tmp_path / "there").touch()
    found = plan(MemoryTree({}), MemoryTree({"live/main.tf": code}))
    assert found.difference.changes[0].after["input"] is False
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "code",
    [
        f'variable "p" {{\n  default = "{CANARY}"\n  sensitive = true\n}}\nresource "terraform_data" "a" {{\n  input = tonumber(var.p)\n}}\n',
        f'locals {{\n  password = "{CANARY}"\n}}\nresource "terraform_data" "a" {{\n  input = tonumber(local.password)\n}}\n',
        f'resource "terraform_data" "a" {{\n  password = "{CANARY}"\n}}\n',
        f'variable "token" {{\n  default = "{CANARY}"\n  validation {{\n    condition = false\n    error_message = "not ${{var.token}}!"\n  }}\n}}\n',
        f'resource "terraform_data" "a" {{\n  input = file("{CANARY}"\n}}\n',
    ],
)
def test_messages_of_terraform_hold_no_secret_and_name_the_place(code):
    error = refused({"live/main.tf": code}, before=BEFORE)
    assert error.failure is Failure.TEMPLATE
    assert CANARY not in repr((error.message, error.args))
    assert error.path == "live/main.tf"
    assert error.line > 0
    assert "/input" not in error.message


def test_an_error_of_the_code_before_says_so():
    broken = {"live/main.tf": 'resource "terraform_data" "a" {\n  input = var.none\n}\n'}
    with pytest.raises(RenderError, match=r"^Before the change: Error: ") as found:
        plan(MemoryTree(broken), MemoryTree(BEFORE))
    assert found.value.line == 2


def test_a_state_with_other_providers_or_no_state_is_refused():
    foreign = json.dumps({"version": 4, "resources": [{"provider": 'provider["example.test/x/aws"]'}]})
    for text, failure in ((foreign, Failure.UNSUPPORTED), ("[]", Failure.TEMPLATE), ("x", Failure.TEMPLATE)):
        assert refused(BEFORE, {**BEFORE, "state": text}, state="state").failure is failure
    assert refused(BEFORE, BEFORE, state="state").failure is Failure.MISSING_INPUT


def test_without_terraform_the_tool_is_missing():
    empty = toolbox(folders=(), search_path="")
    with pytest.raises(RenderError) as found:
        PLANNER.tool(empty)
    assert found.value.failure is Failure.MISSING_TOOL
