"""An earlier state comes back beside targets that came since: these lose nothing, and what was made otherwise is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict
from apps.deployments import services as deployments
from apps.deployments.queries.returning import return_to
from tests.deployments.test_deployments_returning import WEB, YAML, begun, content, finished, landed
from tests.support.delivery import Delivery, run_jobs

pytestmark = pytest.mark.django_db
RAW = "raw: {kind: manifests, path: staging}"
API = "api: {kind: manifests, path: api}"
SHARED = WEB % 7


def with_targets(*targets: str) -> str:
    return YAML.replace(RAW, ", ".join(targets))


def brought(delivery: Delivery, change: ChangeRequest) -> ChangeRequest:
    back = deployments.bring_back(delivery.people.carol, deployment=delivery.deployment(change))
    for _ in range(2):
        run_jobs("changes.plan_renderings", "changes.render")
    delivery.approve(back)
    back = finished(back)
    assert back.status == "done"
    return back


def test_a_target_that_came_since_keeps_its_files_and_is_named(tmp_path: Path, client: Client) -> None:
    delivery = begun(tmp_path)
    first = landed(delivery, "one", {"staging/web.yaml": WEB % 2, "bases/old.yaml": SHARED})
    new = {".gitops/portal.yaml": with_targets(API, RAW), "api/api.yaml": WEB % 9, "bases/new.yaml": SHARED}
    landed(delivery, "two", {**new, "staging/web.yaml": WEB % 3})
    row = delivery.deployment(first)
    found = return_to(row)
    assert (found.paths, found.added, found.touched) == (("staging/web.yaml",), ("api",), ())
    assert found.left == ("bases/new.yaml",)
    client.force_login(delivery.people.carol)
    page = client.get(f"/deployments/{row.number}/bring-back/").content.decode()
    for words in (
        "<b>api</b> is new since then, and stays as it is",
        "bases/new.yaml",
        f"Bring {row.label} back</button>",
    ):
        assert words in page, words
    told = client.get(f"/api/v1/deployments/{row.number}/bring-back/").json()
    assert (told["new_targets"], told["new_targets_touched"], told["left"]) == (["api"], [], ["bases/new.yaml"])
    back = brought(delivery, first)
    assert "left as they are: api" in back.description
    assert content(delivery, "staging/web.yaml") == WEB % 2
    assert content(delivery, "api/api.yaml") == WEB % 9
    assert content(delivery, "bases/new.yaml") == SHARED
    assert API in content(delivery, ".gitops/portal.yaml")


def test_files_of_a_new_target_that_were_there_before_it_was_named_stay_as_they_are(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    first = landed(delivery, "one", {"staging/web.yaml": WEB % 2, "api/api.yaml": WEB % 1})
    landed(
        delivery,
        "two",
        {".gitops/portal.yaml": with_targets(RAW, API), "api/api.yaml": WEB % 9, "staging/web.yaml": WEB % 3},
    )
    assert return_to(delivery.deployment(first)).paths == ("staging/web.yaml",)
    brought(delivery, first)
    assert content(delivery, "api/api.yaml") == WEB % 9


def test_files_that_earlier_targets_share_with_a_new_one_come_back_and_it_is_said(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    first = landed(delivery, "one", {"staging/web.yaml": WEB % 2})
    same = with_targets(RAW, "again: {kind: manifests, path: staging}")
    landed(delivery, "two", {".gitops/portal.yaml": same, "staging/web.yaml": WEB % 3})
    found = return_to(delivery.deployment(first))
    assert (found.paths, found.added, found.touched) == (("staging/web.yaml",), ("again",), ("again",))


def test_nothing_of_a_new_target_is_deleted_where_it_lies_inside_an_earlier_one(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    first = landed(delivery, "one", {"staging/web.yaml": WEB % 2})
    inside = with_targets(RAW, "api: {kind: manifests, path: staging/api}")
    landed(delivery, "two", {".gitops/portal.yaml": inside, "staging/api/api.yaml": WEB % 9})
    with pytest.raises(Conflict, match=r"staging/api came after .* made of staging/api/api.yaml") as caught:
        return_to(delivery.deployment(first))
    assert caught.value.code == "targets_moved"


@pytest.mark.parametrize(
    "now",
    [
        with_targets(API),
        with_targets(API, RAW.replace("path: staging", "path: api")),
        with_targets(RAW.replace("}", ", namespace: other}")),
        YAML.replace(f"targets: {{{RAW}}}", "protected: false"),
    ],
)
def test_an_earlier_target_that_is_gone_or_made_otherwise_is_refused(tmp_path: Path, now: str) -> None:
    delivery = begun(tmp_path)
    first = landed(delivery, "one", {"staging/web.yaml": WEB % 2})
    landed(delivery, "two", {".gitops/portal.yaml": now, "api/api.yaml": WEB % 9, "staging/web.yaml": WEB % 3})
    with pytest.raises(Conflict, match=r"portal\.yaml says otherwise now") as caught:
        return_to(delivery.deployment(first))
    assert caught.value.code == "targets_moved"


def test_an_environment_that_everything_reached_then_has_no_new_targets(tmp_path: Path) -> None:
    delivery = begun(tmp_path, YAML.replace(f"targets: {{{RAW}}}", "protected: false"))
    first = landed(delivery, "one", {"staging/web.yaml": WEB % 2})
    landed(delivery, "two", {".gitops/portal.yaml": YAML, "staging/web.yaml": WEB % 3})
    with pytest.raises(Conflict, match=r"portal\.yaml says otherwise now"):
        return_to(delivery.deployment(first))


def test_targets_that_only_stand_elsewhere_in_the_file_are_the_same(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    first = landed(delivery, "one", {"staging/web.yaml": WEB % 2})
    landed(delivery, "two", {".gitops/portal.yaml": f"# a line more\n{YAML}", "staging/web.yaml": WEB % 3})
    assert return_to(delivery.deployment(first)).paths == ("staging/web.yaml",)
