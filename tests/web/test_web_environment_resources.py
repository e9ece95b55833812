"""What is live made: as a tree on the page of its environment that is bounded, and whole on a page of its own. Neither needs a script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.deployments.models import Attempt, Deployment
from apps.presentation.resources import MOST_NODES, Resource, Tree, resource_tree, resources_of
from tests.support.delivery import Delivery, pipeline, run_until_idle

PAGE, PART = "/environments/infra/staging/", "/environments/infra/staging/_resources/"


def told(name: str, **more: str) -> dict[str, str]:
    plain = {
        "kind": "ConfigMap",
        "namespace": "shop",
        "group": "",
        "sync": "synced",
        "health": "healthy",
        "message": "",
    }
    return {**plain, "name": name, **more}


def of(*rows: dict[str, str]) -> Tree:
    return resource_tree(resources_of(rows))


def nodes(tree: Tree) -> int:
    kinds = [kind for space in tree.branches for kind in (space.branches or (space,))]
    spaces = [space for space in tree.branches if space.branches]
    return len(spaces) + len(kinds) + sum(len(kind.rows) for kind in kinds)


def test_the_worst_stands_first_in_every_branch_and_only_what_is_not_well_is_open() -> None:
    tree = of(
        *(told(f"settings-{n:02}") for n in range(20)),
        told("api", kind="Deployment", group="apps", health="degraded"),
        told("cache", kind="Service", namespace="data", sync="out_of_sync"),
        told("reader", kind="ClusterRole", namespace=""),
    )
    assert [(one.name, one.total, one.is_open) for one in tree.branches] == [
        ("shop", 21, True),
        ("data", 1, True),
        ("", 1, False),
    ]
    assert [(one.name, one.words, one.is_open) for one in tree.branches[0].branches] == [
        ("Deployment (apps)", (("degraded", 1),), True),
        ("ConfigMap", (("healthy", 20),), False),
    ]
    assert tree.branches[1].words == (("healthy", 1), ("out_of_sync", 1))


def test_no_parent_is_invented_where_no_row_names_one() -> None:
    tree = of(told("one", kind="AWS::EC2::VPC", namespace=""), told("two", kind="AWS::S3::Bucket", namespace=""))
    assert [(one.name, one.branches) for one in tree.branches] == [("AWS::EC2::VPC", ()), ("AWS::S3::Bucket", ())]


@pytest.mark.parametrize("spaces", [1, 7, 300])
def test_a_tree_has_at_most_two_hundred_nodes_and_says_how_many_it_leaves_out(spaces: int) -> None:
    rows = [
        told(f"c-{n:03}", namespace=f"ns-{n % spaces}", health="missing" if n == 299 else "healthy") for n in range(300)
    ]
    tree = of(*rows)
    shown = sum(len(kind.rows) for space in tree.branches for kind in space.branches)
    assert MOST_NODES - 3 < nodes(tree) <= MOST_NODES
    assert tree.left_out == 300 - shown
    first = tree.branches[0].branches[0]
    assert (first.rows[0].name, first.total) == ("c-299", 300 // spaces + (300 % spaces > 299 % spaces))


def test_health_that_is_not_known_is_never_called_well_or_an_outcome() -> None:
    for health in ("unknown", "something new"):
        assert Resource("Pod", "a", health=health).word == "health_unknown"


@pytest.fixture
def row(tmp_path: Path) -> Deployment:
    delivery = Delivery.start(tmp_path, pipeline())
    found = delivery.deployment(delivery.merged())
    run_until_idle()
    found.refresh_from_db()
    return found


@pytest.fixture
def alice(row: Deployment) -> Client:
    client = Client()
    client.force_login(row.requested_by)
    return client


@pytest.mark.django_db
def test_the_page_of_an_environment_has_the_tree_and_says_whose_word_it_is(row: Deployment, alice: Client) -> None:
    hidden = alice.get(PAGE).content.decode()
    assert re.search(r'<section class="panel" id="environment-resources"[^>]* hidden', hidden), "nobody has told of one"
    rows = [told("<b>api</b>", health="degraded", message="<script>alert(1)</script>"), told("x", health="unknown")]
    Attempt.objects.filter(deployment=row).update(resources=[*rows, *(told(f"c-{n:03}") for n in range(300))])
    with CaptureQueriesContext(connection) as seen:
        part = alice.get(PART, headers={"HX-Request": "true"}).content.decode()
    assert sum('FROM "deployments_attempt"' in query["sql"] for query in seen.captured_queries) <= 2
    page = alice.get(PAGE).content.decode()
    assert part.strip() in page
    for words in ("300 of 302 healthy", "As local told them last", row.label, "Degraded 1", "Health not known 1"):
        assert words in part
    assert "&lt;b&gt;api&lt;/b&gt;" in part
    assert "<script>alert" not in part
    assert f'<a href="/deployments/{row.number}/resources/">Show the list</a>' in part
    assert "has run here since" not in part
    assert 'id="environment-resources"' in alice.get(PART).content.decode(), "opened by itself it is a page"


@pytest.mark.django_db
def test_a_newer_run_is_named_beside_what_is_live(row: Deployment, alice: Client) -> None:
    Attempt.objects.filter(deployment=row).update(resources=[told("api")])
    newer = Deployment.objects.get(pk=row.pk)
    newer.pk, newer.number, newer.status, newer.became_live = None, row.number + 100, "failed", False
    newer.save()
    Attempt.objects.create(deployment=newer, number=1, key="newer", started_at=row.ended_at)
    part = alice.get(PART, headers={"HX-Request": "true"}).content.decode()
    assert f'<a href="/deployments/{newer.number}/">{newer.label}</a> has run here since' in part


@pytest.mark.django_db
def test_the_list_has_every_resource_page_by_page(row: Deployment, alice: Client) -> None:
    url = f"/deployments/{row.number}/resources/"
    assert "Nothing is known of resources" in alice.get(url).content.decode()
    Attempt.objects.filter(deployment=row).update(
        resources=[*(told(f"c-{n:04}") for n in range(1100)), told("broken", health="missing", sync="unknown")]
    )
    names: list[str] = []
    address = url
    while address:
        html = alice.get(address).content.decode()
        names += re.findall(r'<th scope="row"><bdi class="mono">([^<]*)</bdi>', html)
        following = re.search(r'rel="next" href="([^"]*)"', html)
        address = following.group(1) if following else ""
    assert names == ["broken", *(f"c-{n:04}" for n in range(1100))]
    assert "No resource has this number" in alice.get(f"{url}?first=9999").content.decode()
    assert f'<a href="{url}">All 1101 resources</a>' in alice.get(f"/deployments/{row.number}/").content.decode()
