"""Drift that a command of portal.yaml tells: what it names, what it must never be taken for, and nothing secret of it."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.drift_lines import ALL_OF_IT
from apps.deployments.models import Deployment, DriftAcceptance
from tests.support.commanded import SECRET, Commanded, yaml
from tests.support.delivery import run_jobs
from tests.support.drifting import config

pytestmark = pytest.mark.django_db
NAMES = """\
found=$(sed 's/replicas: //' THERE); wanted=$(sed 's/replicas: //' app/values.yaml)
echo "I compare THERE"
[ "$found" = "$wanted" ] && exit 0
echo "{\\"resource\\": \\"Deployment web/shop\\", \\"path\\": \\"spec.replicas\\", \\"wanted\\": $wanted, \\"found\\": $found}"
exit 2"""


def test_it_is_in_sync_until_something_differs_and_then_named_field_by_field(tmp_path: Path, data_dir: Path) -> None:
    world = Commanded(tmp_path, NAMES)
    assert world.check().state == "in_sync"
    assert world.checks.count() == 1  # of the environment; nothing is said of its target alone
    assert (world.latest.target, world.latest.way, world.latest.findings) == ("", "command", [])
    world.there.write_text("replicas: 7\n")
    assert (world.check().state, world.check().fields) == ("drifted", 1)
    [found] = world.latest.findings
    assert (found["resource"], found["path"], found["wanted"], found["found"], found["kind"]) == (
        "Deployment web/shop", "spec.replicas", "1", "7", "field"
    )  # fmt: skip
    world.there.write_text("replicas: 1\n")
    assert world.check().state == "in_sync"
    assert not list((data_dir / "checks").glob("*"))


def test_what_it_named_is_accepted_and_another_value_counts_again(tmp_path: Path) -> None:
    world = Commanded(tmp_path, NAMES)
    world.there.write_text("replicas: 7\n")
    world.check()
    accepted(world)
    assert world.check().state == "accepted"
    world.there.write_text("replicas: 8\n")
    assert world.check().state == "drifted"


def test_anything_else_is_no_answer_and_never_in_sync(tmp_path: Path) -> None:
    world = Commanded(tmp_path, "sh THERE")
    for command, words in (
        ("echo no such cluster; exit 1", "exited with 1: no such cluster"),
        ("exit 3", "The command exited with 3."),
        ("kill -9 $PPID", "was killed by signal 9"),
        ("""echo '{"resource": "a", "path": "b"}'; exit 0""", "ended with 0, and named something that differs"),
    ):
        world.there.write_text(command)
        assert world.check().state == "unknown"
        assert words in world.latest.why


def test_one_that_does_not_end_is_ended_and_is_no_answer(tmp_path: Path, settings: Any) -> None:
    settings.PORTAL_STEP_GRACE_SECONDS = 0.3
    world = Commanded(tmp_path, "sleep 100", ", timeout: 1s")
    assert world.check().state == "unknown"
    assert "took longer than 1 s" in world.latest.why


def test_what_a_tool_prints_is_one_finding_with_its_lines_and_its_own_status(tmp_path: Path) -> None:
    world = Commanded(tmp_path, "diff -u --label deployed --label there app/values.yaml THERE", ", differs: 1")
    assert world.check().state == "in_sync"
    world.there.write_text("replicas: 7\n")
    assert world.check().state == "drifted"
    [found] = world.latest.findings
    assert found["resource"] == ALL_OF_IT
    assert found["found"].splitlines()[-2:] == ["-replicas: 1", "+replicas: 7"]
    world.there.unlink()
    assert world.check().state == "unknown"  # diff ends with 2: that is its word for trouble


def test_one_that_says_nothing_of_what_differs_cannot_be_accepted(tmp_path: Path) -> None:
    world = Commanded(tmp_path, "exit 2", ", differs: 2")
    assert world.check().state == "drifted"
    [found] = world.latest.findings
    assert found["is_vague"]
    with pytest.raises(Conflict):
        accepted(world)


def accepted(world: Commanded) -> None:
    for found in world.latest.findings:
        services.accept_drift(
            world.delivery.people.carol,
            environment=world.environment,
            mark=found["mark"],
            reason="the sale",
            until=now() + timedelta(days=1),
        )


def test_a_shell_that_fails_with_two_is_no_drift(tmp_path: Path) -> None:
    world = Commanded(tmp_path, "sh THERE")
    for how in ("set -u; echo $NOT_SET", ": ${NOT_SET:?is not set}", "if", "set -e; cd nowhere"):
        world.there.write_text(how)
        assert world.check().state == "unknown"
        # Where sh is dash all of these end with 2; another shell ends them with 1 or 127.
        assert "The command exited with" in world.latest.why
    world.there.write_text("exit 2")
    assert world.check().state == "unknown"
    assert "write `differs: 2`" in world.latest.why


def test_whatever_a_line_is_like_what_it_names_is_never_left_out(tmp_path: Path) -> None:
    world = Commanded(tmp_path, "cat THERE; exit 2")
    first = '{"resource": "a", "path": "b", "found": 1}'
    for other in (
        json.dumps({"resource": "b", "path": "p", "wanted": ["x" * 40] * 200, "found": []}),
        json.dumps({"resource": "b", "path": "p", "wanted": "w" * 7000, "found": "f" * 7000}),
        '{"resource": "b", "path": "p", "wanted": 123456789012, "found": 5}',
        '\x1b[31m{"resource": "b", "path": "p", "found": 5}\x1b[0m',
    ):
        world.there.write_text(f"{first}\n{other}\n")
        world.check()
        assert [found["resource"] for found in world.latest.findings] == ["a", "b"]
    for unread in (
        '{"resource": "b", "found": NaN}',
        'INFO {"resource": "b"}',
        '{"resource": "\\u0000"}',
        '{"resource": "b"',
    ):
        world.there.write_text(f"{first}\n{unread}\n")
        world.check()
        accepted(world)
        assert world.check().state != "accepted"
        assert "Line 2 of what the command printed" in world.latest.why
        services.end_drift_acceptance(
            world.delivery.people.carol, environment=world.environment, mark=world.latest.findings[0]["mark"]
        )


def test_another_value_in_the_middle_of_a_long_one_counts_again(tmp_path: Path) -> None:
    world = Commanded(tmp_path, "cat THERE; exit 2")
    for middle in ("A", "B"):
        value = "f" * 6500 + middle * 1000 + "g" * 6500
        world.there.write_text(json.dumps({"resource": "a", "path": "b", "found": value}))
        assert world.check().state == "drifted"
        accepted(world)
        assert world.check().state == "accepted"


@pytest.mark.parametrize("status", [0, 1, 2])
def test_secrets_of_the_environment_are_in_nothing_that_is_kept(tmp_path: Path, status: int) -> None:
    world = Commanded(tmp_path, "sh THERE")
    for line in (
        f'{{"resource": "a", "path": "b", "found": "{SECRET}"}}',
        f'{{"resource": "{SECRET}", "path": "{SECRET}"}}',
        f'{{"resource": "a", "path": "b", "wanted": {{"c": ["\\u0074{SECRET[1:]}"]}}}}',
        f'{{"resource": "a", "path": "{"x" * 285}\\u0074{SECRET[1:]}"}}',
        f'{{"resource": "a", "path": "b", "found": "{"x" * 1985}\\u0074{SECRET[1:]}"}}',
        f"it is {SECRET}",
    ):
        script = f"[ \"$DEPLOY_TOKEN\" = {SECRET} ] || exit 9; printf '%s\\n' '{line}'; exit {status}"
        world.there.write_text(script)
        world.check()
        assert "exited with 9" not in world.latest.why
        assert SECRET not in world.latest.why
        assert SECRET[1:12] not in json.dumps([world.latest.findings, world.latest.marks])


def test_the_command_is_that_of_what_is_live_and_not_of_the_newest_commit(tmp_path: Path) -> None:
    world = Commanded(tmp_path, "exit 0")
    by_hand = yaml("exit 2").replace("via: local,", "via: local, start: manual,")
    world.deploy("later", {".gitops/portal.yaml": by_hand, "k8s/three.yaml": config("three")})
    assert Deployment.objects.filter(status="pending").exists()
    assert world.check().state == "in_sync"


def test_without_a_command_the_page_says_how_it_could_be_checked(tmp_path: Path) -> None:
    world = Commanded(tmp_path, "exit 0")
    without = yaml("exit 0").replace(', command: "exit 0"', "")
    world.deploy("none", {".gitops/portal.yaml": without, "k8s/three.yaml": config("three")})
    assert world.check().state == "unknown"
    assert "`drift: {command: …}`" in world.latest.why


def test_the_page_shows_it_and_a_change_that_adopts_it_tells_a_person(tmp_path: Path, client: Client) -> None:
    world = Commanded(tmp_path, NAMES)
    world.there.write_text("replicas: 7\n")
    world.check()
    client.force_login(world.delivery.people.alice)
    page = client.get("/environments/infra/staging/drift/").content.decode()
    for words in ("Deployment web/shop", "spec.replicas", "asked the command of portal.yaml", "Drift: 1 field"):
        assert words in page
    services.adopt_drift(world.delivery.people.alice, environment=world.environment)
    run_jobs("deployments.adopt_drift")
    change = ChangeRequest.objects.latest("pk")
    assert "Deployment web/shop" in change.description and change.status == "requested"


def test_what_a_look_left_that_was_broken_off_goes_with_the_next_one_or_by_itself(
    tmp_path: Path, data_dir: Path
) -> None:
    world = Commanded(tmp_path, "exit 0")
    left = data_dir / "checks" / f"look-{world.environment.pk}-1234"
    other = data_dir / "checks" / "look-99-1234"
    for place in (left, other):
        (place / "home").mkdir(parents=True)
    world.check()
    assert not left.exists()
    assert run_jobs("deployments.tidy_looks") == 0
    os.utime(other, (0, 0))
    assert run_jobs("deployments.tidy_looks") == 1
    assert not other.exists()


def test_two_resources_whose_long_names_end_differently_are_two_on_the_page(tmp_path: Path, client: Client) -> None:
    long = "module.shop." * 40
    world = Commanded(tmp_path, "cat THERE; exit 2")
    lines = (json.dumps({"resource": long + end, "kind": "missing"}) for end in ("one", "two"))
    world.there.write_text("\n".join(lines))
    assert world.check().state == "drifted"
    client.force_login(world.delivery.people.carol)
    page = client.get("/environments/infra/staging/drift/").content.decode()
    assert page.count('<article class="res"') == 2
    assert page.count("module.shop.one</bdi>") == page.count("module.shop.two</bdi>") == 1
    accepted(world)
    kept = {row.resource for row in DriftAcceptance.objects.all()}
    assert kept == {found["resource"] for found in world.latest.findings} and len(kept) == 2
