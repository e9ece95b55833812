"""Which modules of Rego govern a tip, from real repositories, and the command that checks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from apps.policies import reading
from apps.policies.config import affected_environments, differences, is_policy, parse_portal_yaml
from apps.policies.models import PolicyVersion
from apps.policies.queries import Policy, policy_at
from apps.policies.rego import asking, modules
from apps.policies.services import note_policy
from apps.repositories.models import Repository
from tests.support.git import GitRepo

PORTAL = ".gitops/portal.yaml"
NAMES = "apiVersion: portal/v1\nrego: policies\n"
GOOD = 'package portal.merge\n\ndeny contains "no" if input.size.files > 3\n'
BROKEN = "package portal.merge\n\ndeny contains { if\n"

pytestmark = pytest.mark.django_db


def noted(repository: Repository, git: GitRepo, files: dict[str, str | bytes]) -> Policy:
    oid = git.commit(files=files)
    note_policy(repository, "main", oid)
    return policy_at(repository, "main", oid)


def test_modules_are_off_unless_the_policy_names_them(repository: Repository, git: GitRepo) -> None:
    policy = noted(repository, git, {PORTAL: "apiVersion: portal/v1\n", "policies/a.rego": BROKEN})
    assert (policy.governs, policy.modules, policy.fact().rego) == ("file", None, "")


def test_modules_at_the_tip_govern_with_all_that_lies_below_the_folder(repository: Repository, git: GitRepo) -> None:
    files: dict[str, str | bytes] = {
        PORTAL: NAMES,
        "policies/a.rego": GOOD,
        "policies/README.md": "x",
        "other/b.rego": BROKEN,
    }
    policy = noted(
        repository, git, {**files, "policies/lib/b.rego": "package lib\n\nx := 1\n", "policies/a_test.rego": BROKEN}
    )
    assert policy.governs == "file"
    assert policy.fact().rego == "policies"
    assert policy.modules is not None
    assert [path for path, _ in policy.modules.texts] == ["policies/a.rego", "policies/lib/b.rego"]
    assert policy.modules.asked("merge") == ("deny",)


def test_the_last_valid_version_of_the_modules_governs_while_the_tip_is_broken(
    repository: Repository, git: GitRepo
) -> None:
    noted(repository, git, {PORTAL: NAMES, "policies/a.rego": GOOD})
    policy = noted(repository, git, {"policies/a.rego": BROKEN})
    assert policy.governs == "last_valid"
    assert str(policy.problems[0]).startswith("policies/a.rego:3: It is no valid Rego: unexpected keyword")
    assert policy.modules is not None
    assert policy.modules.texts == (("policies/a.rego", GOOD),)
    row = PolicyVersion.objects.latest("pk")
    assert (row.valid, row.problems[0]["file"], row.problems[0]["line"]) == (False, "policies/a.rego", 3)
    repaired = noted(repository, git, {"policies/a.rego": GOOD + "# again\n"})
    assert repaired.governs == "file"
    assert PolicyVersion.objects.count() == 3, "a version for each text of the modules, with the same portal.yaml"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({PORTAL: NAMES, "policies/a.rego": BROKEN}, "policies/a.rego:3: It is no valid Rego"),
        ({PORTAL: NAMES}, ".gitops/portal.yaml:2: `policies` does not exist."),
        ({PORTAL: NAMES, "policies": "x"}, ".gitops/portal.yaml:2: `policies` is no folder."),
        ({PORTAL: NAMES, "policies/README.md": "x"}, ".gitops/portal.yaml:2: There is no module of Rego"),
        ({PORTAL: NAMES, "policies/a.rego": b"\xff"}, "policies/a.rego: It is not UTF-8 text (line 1)."),
        ({PORTAL: NAMES, "policies/a.rego": b"#" * 70_000}, "policies/a.rego: It is a file of 70,000 bytes"),
    ],
)
def test_modules_that_never_were_valid_fail_closed(
    repository: Repository, git: GitRepo, files: dict[str, str | bytes], words: str
) -> None:
    policy = noted(repository, git, files)
    assert policy.governs == "broken"
    assert any(problem.startswith(words) for problem in policy.fact().problems), policy.fact().problems


def test_a_symbolic_link_is_no_module_and_no_folder_of_modules(repository: Repository, git: GitRepo) -> None:
    (git.path / "policies").mkdir()
    (git.path / "policies/a.rego").symlink_to("../elsewhere.rego")
    policy = noted(repository, git, {PORTAL: NAMES, "elsewhere.rego": GOOD})
    assert policy.governs == "broken"
    assert "policies/a.rego: It is a symbolic link, not a file." in policy.fact().problems[0]
    (git.path / "policies/a.rego").unlink()
    (git.path / "policies").rmdir()
    (git.path / "policies").symlink_to("real")
    linked = noted(repository, git, {"real/a.rego": GOOD})
    assert "`policies` is no folder" in linked.fact().problems[0]


def test_a_module_that_cannot_be_checked_here_is_no_broken_policy(
    repository: Repository, git: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "WALL_SECONDS", 0.0)
    modules._inspect.cache_clear()
    oid = git.commit(files={PORTAL: NAMES, "policies/a.rego": GOOD + "# slow\n"})
    policy = policy_at(repository, "main", oid)
    assert policy.governs == "file"
    assert "could not be checked here: it did not end" in policy.problems[0].problem.message
    assert policy.problems[0].problem.severity == "notice"
    assert policy.modules is not None
    assert policy.modules.places is None, "so that nobody can ask it, and it holds every change"
    monkeypatch.undo()
    assert policy_at(repository, "main", oid).problems == ()


@pytest.mark.parametrize("value", ["/etc", "../x", "a/../b", ".", "[a]", "1", "''"])
def test_the_folder_must_lie_in_the_repository(value: str) -> None:
    parsed = parse_portal_yaml(f"apiVersion: portal/v1\nrego: {value}\n".encode())
    assert parsed.config is None
    assert parsed.problems[0].line == 2


def test_modules_are_policy_and_reach_no_environment() -> None:
    text = "apiVersion: portal/v1\nrego: ./policies/\nenvironments: {a: {targets: {t: {kind: manifests, path: m}}}}\n"
    config = parse_portal_yaml(text.encode()).config
    assert config is not None
    assert config.rego.directory == "policies"
    assert affected_environments(config, ["policies/a.rego"]) == ()
    assert affected_environments(config, ["policies/deploy.yaml"]) == ("a",)
    assert [is_policy(path, "policies") for path in ("policies/x/a.rego", "policies/a.yaml", "policies.rego")] == [
        True,
        False,
        False,
    ]
    plain = parse_portal_yaml(b"apiVersion: portal/v1\n").config
    assert plain is not None
    assert [(row.before, row.after) for row in differences(plain, config) if row.what == "rules in Rego"] == [
        ("none", "modules of policies/ are asked")
    ]


def test_check_config_of_a_folder_checks_the_modules(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / ".gitops").mkdir()
    (tmp_path / PORTAL).write_text(NAMES)
    with pytest.raises(SystemExit):
        call_command("check_config", str(tmp_path))
    assert f"{tmp_path / PORTAL}:2:0: error: `policies` is no folder." in capsys.readouterr().out
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/a.rego").write_text(GOOD)
    call_command("check_config", str(tmp_path))
    assert "valid." in capsys.readouterr().out
    (tmp_path / "policies/a.rego").write_text(GOOD.replace("files", "fils"))
    (tmp_path / "policies/b.rego").symlink_to("a.rego")
    with pytest.raises(SystemExit):
        call_command("check_config", str(tmp_path))
    assert f"{tmp_path}/policies/b.rego:0:0: error: It is a symbolic link, not a file." in capsys.readouterr().out
    (tmp_path / "policies/b.rego").unlink()
    with pytest.raises(SystemExit):
        call_command("check_config", str(tmp_path))
    out = capsys.readouterr().out
    assert f"{tmp_path}/policies/a.rego:3:23: error: `input.size.fils` does not exist. Known here: files, lines." in out


def test_a_tip_is_read_once(repository: Repository, git: GitRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = noted(repository, git, {PORTAL: NAMES, "policies/a.rego": GOOD})
    for name in ("entry_at", "read_blob", "list_tree"):
        monkeypatch.setattr(reading, name, lambda *_a, **_k: pytest.fail("Git was asked again"))
    monkeypatch.setattr(asking, "_run", lambda _question: pytest.fail("the module was inspected again"))
    assert policy_at(repository, "main", policy.oid) == policy
