"""The effect of a change, read and marked by keyboard alone, and with JavaScript off."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.support.browsing import ByKeyboard, Person, WithoutJavaScript
from tests.support.git import GitRepo
from tests.support.server import PortalServer
from tests.support.tools import toolbox

BACKUPS = "/changes/20/rendered/"
"""Of the demo organisation: plain manifests, one destroyed, one updated, three created in two environments."""
TARGETS = 6
CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "chart/values.yaml": "greeting: hello\n",
    # a template that names the time is rendered in two different seconds: long enough to be cancelled
    "chart/templates/config.yaml": "{{/* now */}}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"
    "data: {greeting: {{ .Values.greeting }}}\n",
}

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_by_keyboard_alone_resources_are_filtered_opened_marked_traced_and_discussed(
    arrives: Callable[..., ByKeyboard],
) -> None:
    bob = arrives("bob", ByKeyboard)
    bob.page.goto(BACKUPS)
    bob.write("Name", "orders")
    bob.choose("Kind", "CronJob")
    bob.press("Filter")
    bob.see("--keep=14")
    assert "restore-rehearsal" not in _articles(bob)

    bob.follow("Raw", within="main")
    bob.see("schedule: 30 1,13 * * *")
    bob.follow("Structured", within="main")
    bob.follow("Show all of CronJob orders-backup")
    bob.see("successfulJobsHistoryLimit: 3")
    bob.follow("All resources")

    bob.press("CronJob forget-old-carts")
    bob.see("seen 1/1")
    assert _is_pressed(bob, "Seen CronJob forget-old-carts")
    bob.press("CronJob forget-old-carts")
    bob.see("seen 0/1")

    bob.page.goto(BACKUPS)
    bob.follow("Made by jobs/production/backup.yaml:7")
    assert bob.page.url.endswith("#L7")
    bob.see("batch/v1")

    bob.page.goto(BACKUPS)
    bob.open("Comment on a resource")
    bob.choose("About", "production/jobs · CronJob/shop/orders-backup")
    bob.write("Comment", "Does the second run meet the sale?")
    bob.press("Comment")
    bob.follow("production/jobs · CronJob/shop/orders-backup", within="#effect-threads li")
    bob.see("Does the second run meet the sale?")


def test_without_javascript_resources_are_filtered_and_marked_and_a_rendering_is_cancelled_and_asked_for_again(
    arrives: Callable[..., WithoutJavaScript], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    toolbox("helm")
    targets = "".join(
        f"      web-{number}: {{kind: helm, chart: chart, release: web-{number}}}\n" for number in range(TARGETS)
    )
    policy = f"apiVersion: portal/v1\nenvironments:\n  live:\n    targets:\n{targets}"
    greeting = {"chart/templates/config.yaml": CHART["chart/templates/config.yaml"].replace("name: web", "name: shop")}
    repository("effect-without-scripts", {**CHART, ".gitops/portal.yaml": policy}, other_name=greeting)
    made = portal.api("alice").post(
        "/changes/",
        {"repository": "effect-without-scripts", "title": "Another name", "source_branch": "other-name"},
        status=201,
    )
    kim = arrives("kim", WithoutJavaScript)
    last = f"live/web-{TARGETS - 1}"
    row = f"#target-live-web-{TARGETS - 1}"
    kim.page.goto(f"/changes/{made['number']}/rendered/")
    kim.watch(row, "Cancel")
    kim.press(f"Cancel the rendering of {last}")
    kim.watch(row, "Cancelled")
    kim.press(f"Render again {last}")
    kim.watch(row, "Destroy")
    kim.watch("#effect-sum", re.compile(rf"Destroy {TARGETS} Create {TARGETS}"))

    kim.see(f"Same in {TARGETS} of {TARGETS} targets")
    kim.choose("Action", "Create")
    kim.press("Filter")
    assert "ConfigMap shop" in _articles(kim)
    assert "ConfigMap web" not in _articles(kim)
    kim.follow("Raw", within="main")
    assert kim.page.url.endswith("action=create&raw=1")
    kim.see("greeting: hello")
    kim.follow("Structured", within="main")
    kim.choose("Action", "All actions")
    kim.press("Filter")
    kim.press("Seen ConfigMap web")
    kim.see("seen 1/1")
    assert _is_pressed(kim, "Seen ConfigMap web")


def _articles(person: Person) -> str:
    return " ".join(" ".join(person.page.locator("article.res h3").all_inner_texts()).split())


def _is_pressed(person: Person, name: str) -> bool:
    button = person.page.locator("main").get_by_role("button", name=name, exact=False).first
    return button.get_attribute("aria-pressed") == "true"
