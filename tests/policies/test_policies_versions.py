"""Which policy governs a tip, from real repositories; and the command that checks files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEntry
from apps.policies.models import PolicyVersion
from apps.policies.queries import policy_at
from apps.policies.services import note_policy
from apps.repositories.models import Repository
from apps.vcs.errors import ObjectMissing
from tests.support.git import GitRepo

GOOD = "apiVersion: portal/v1\nenvironments: {production: {protected: true}}\n"
BROKEN = "apiVersion: portal/v1\nrule: []\n"
PORTAL = ".gitops/portal.yaml"

pytestmark = pytest.mark.django_db


def commit(git: GitRepo, files: dict[str, str | bytes]) -> str:
    return git.commit(files=files)


def test_no_files_means_the_defaults(repository: Repository, git: GitRepo) -> None:
    oid = commit(git, {"README.md": "hello\n"})
    policy = policy_at(repository, "main", oid)
    assert (policy.governs, policy.problems, policy.portal_blob, policy.owners_blob) == ("default", (), "", "")
    assert [found.name for found in policy.config.environments] == ["default"]
    assert policy.path_owners(["README.md"])[0].matches == ()


def test_files_at_the_tip_govern(repository: Repository, git: GitRepo) -> None:
    first = commit(git, {PORTAL: GOOD, "CODEOWNERS": "* @bob\n"})
    policy = policy_at(repository, "main", first)
    assert (policy.governs, policy.owners_path, policy.oid) == ("file", "CODEOWNERS", first)
    assert policy.path_owners(["a"])[0].matches[0].owners == ("@bob",)
    assert [(found.name, found.protected, found.affected) for found in policy.environment_facts(["a"])] == [
        ("production", True, True)
    ]
    second = commit(git, {".github/CODEOWNERS": "* @kim\n"})
    assert policy_at(repository, "main", second).owners_path == ".github/CODEOWNERS"
    assert policy_at(repository, "main", first).owners_path == "CODEOWNERS"


def test_last_valid_version_governs_while_the_tip_is_broken(repository: Repository, git: GitRepo) -> None:
    note_policy(repository, "main", commit(git, {PORTAL: GOOD, "CODEOWNERS": "* @bob\n"}))
    broken = commit(git, {PORTAL: BROKEN})
    row = note_policy(repository, "main", broken)
    assert not row.valid
    assert row.problems[0]["line"] == 2
    policy = policy_at(repository, "main", broken)
    assert policy.governs == "last_valid"
    assert policy.config.environments[0].name == "production"
    assert str(policy.problems[0]).startswith(".gitops/portal.yaml:2: The key `rule` is not known")
    assert policy.fact().problems == (str(policy.problems[0]),)
    repaired = commit(git, {PORTAL: GOOD})
    assert policy_at(repository, "main", repaired).governs == "file"


def test_broken_owners_hold_back_both_files(repository: Repository, git: GitRepo) -> None:
    note_policy(repository, "main", commit(git, {"CODEOWNERS": "* @bob\n"}))
    oid = commit(git, {PORTAL: GOOD, "CODEOWNERS": "[Data\n* @mallory\n"})
    policy = policy_at(repository, "main", oid)
    assert policy.governs == "last_valid"
    assert policy.config.environments[0].name == "default"
    assert policy.path_owners(["a"])[0].matches[0].owners == ("@bob",)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"x" * 1_000_000, BROKEN.encode(), b"- a\n"])
def test_broken_from_the_start_fails_closed(repository: Repository, git: GitRepo, data: bytes) -> None:
    oid = commit(git, {PORTAL: data})
    note_policy(repository, "main", oid)
    policy = policy_at(repository, "main", oid)
    assert policy.governs == "broken"
    assert policy.fact().governs == "broken"
    assert policy.fact().problems


def test_symbolic_link_is_not_followed_and_not_taken_for_no_file(repository: Repository, git: GitRepo) -> None:
    (git.path / ".gitops").mkdir()
    (git.path / PORTAL).symlink_to("../elsewhere.yaml")
    oid = commit(git, {"elsewhere.yaml": GOOD})
    policy = policy_at(repository, "main", oid)
    assert policy.governs == "broken"
    assert "a symbolic link" in policy.problems[0].problem.message


def test_versions_of_one_branch_do_not_govern_another(repository: Repository, git: GitRepo) -> None:
    note_policy(repository, "main", commit(git, {PORTAL: GOOD}))
    oid = commit(git, {PORTAL: BROKEN})
    assert policy_at(repository, "main", oid).governs == "last_valid"
    assert policy_at(repository, "release", oid).governs == "broken"


def test_version_is_written_once_per_change_of_the_files(repository: Repository, git: GitRepo) -> None:
    first = note_policy(repository, "main", commit(git, {PORTAL: GOOD}))
    assert note_policy(repository, "main", commit(git, {"a": "1"})) == first
    assert note_policy(repository, "main", first.commit_oid) == first
    second = note_policy(repository, "main", commit(git, {PORTAL: GOOD + "runbooks: docs\n"}))
    assert PolicyVersion.objects.count() == 2
    assert second.valid
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["policy.changed"]


def test_branch_pushed_back_is_governed_by_what_stood_there_last(repository: Repository, git: GitRepo) -> None:
    first = commit(git, {PORTAL: GOOD})
    note_policy(repository, "main", first)
    note_policy(repository, "main", commit(git, {PORTAL: GOOD.replace("production", "other")}))
    note_policy(repository, "main", first)
    broken = commit(git, {PORTAL: BROKEN})
    note_policy(repository, "main", broken)
    assert policy_at(repository, "main", broken).config.environments[0].name == "production"


def test_broken_policy_is_told_to_the_audit_log(repository: Repository, git: GitRepo) -> None:
    note_policy(repository, "main", commit(git, {PORTAL: BROKEN}))
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.repository) == ("policy.broken", "main", "shop")


def test_commit_that_the_mirror_lacks_is_an_error_not_a_default(repository: Repository, git: GitRepo) -> None:
    commit(git, {"a": "1"})
    with pytest.raises(ObjectMissing):
        policy_at(repository, "main", "0" * 39 + "1")


# --- manage.py check_config -----------------------------------------------------------------------------------


def test_check_config_prints_line_column_and_fix_and_fails(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "portal.yaml"
    file.write_text(BROKEN)
    with pytest.raises(SystemExit) as stopped:
        call_command("check_config", str(file))
    assert stopped.value.code == 1
    assert f"{file}:2:1: error: The key `rule` is not known. Did you mean `rules`?" in capsys.readouterr().out


def test_check_config_of_a_folder_checks_both_files(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / ".gitops").mkdir()
    (tmp_path / PORTAL).write_text(GOOD)
    (tmp_path / "CODEOWNERS").write_text("* bob\n")
    call_command("check_config", str(tmp_path))
    out = capsys.readouterr().out
    assert "CODEOWNERS:1:1: notice: `bob` names no owner" in out
    assert "valid." in out
    (tmp_path / "CODEOWNERS").write_text("[x\n")
    with pytest.raises(SystemExit):
        call_command("check_config", str(tmp_path))


def test_check_config_of_nothing(tmp_path: Path, capsys: Any) -> None:
    call_command("check_config", str(tmp_path))
    assert "the defaults hold" in capsys.readouterr().out
    with pytest.raises(CommandError):
        call_command("check_config", str(tmp_path / "missing.yaml"))


@pytest.mark.parametrize("text", ['apiVersion: "x\\0"\n', 'apiVersion: portal/v1\n"a\\0": 1\n'])
def test_a_broken_file_with_a_nul_is_recorded(repository: Repository, git: GitRepo, text: str) -> None:
    """PostgreSQL refused the row, so that nothing that moved in the repository was taken any more."""
    row = note_policy(repository, "main", commit(git, {PORTAL: text, "CODEOWNERS": "a\0b @bob\n"}))
    row.refresh_from_db()
    assert not row.valid
    assert "\0" not in str(row.problems)
