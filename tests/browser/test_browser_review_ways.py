"""A whole review without a pointer, and one without scripts (UX acceptance 4 and 6)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.browsing import SECONDS, ByKeyboard, Person, WithoutJavaScript
from tests.support.git import GitRepo
from tests.support.server import PortalServer

SLOW_STEP = "steps: [{name: apply, run: 'sleep 600', timeout: 20m}]"
PORTAL_YAML = f"""
apiVersion: portal/v1
environments:
  staging: {{deploy: {{via: local, {SLOW_STEP}}}}}
rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
"""
FILES = {"app/values.yaml": "replicas: 3\nimage: web\n", ".gitops/portal.yaml": PORTAL_YAML}

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]


def in_review(portal: PortalServer, repository: Callable[..., GitRepo], name: str, title: str) -> int:
    """A change of alice on which bob is asked."""
    repository(name, FILES, more={"app/values.yaml": "replicas: 5\nimage: web\n", "app/new.yaml": "a: 1\n"})
    alice = portal.api("alice")
    body = {"repository": name, "title": title, "source_branch": "more"}
    number: int = alice.post("/changes/", body, status=201)["number"]
    alice.post(f"/changes/{number}/assignments/", {"user": "bob"}, status=201)
    alice.until(f"/changes/{number}/", lambda change: bool(change["reviewers"]))
    return number


def test_acceptance_4_a_whole_review_runs_without_a_pointer(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    number = in_review(portal, repository, "by-keys", "Five replicas by keys")
    bob = arrives("bob", ByKeyboard)
    bob.open_row("Five replicas by keys")
    page, keys = bob.page, bob.page.keyboard
    bob.loads(lambda: keys.press("2"))
    expect(page).to_have_url(re.compile("/diff/"))
    keys.press("n")
    expect(page.locator(".dt tr.at")).to_have_count(1)
    keys.press("c")
    expect(page.locator("#line-body")).to_be_focused()
    keys.type("Is five enough?")
    keys.press("Control+Enter")
    expect(page.get_by_text("Is five enough?").first).to_be_visible(timeout=SECONDS * 1000)
    page.evaluate("document.activeElement.blur()")
    keys.press("]")
    keys.press("v")
    expect(page.locator("button.vw[aria-pressed=true]")).to_have_count(1)
    expect(page.locator("#viewed-progress")).to_contain_text("1/2")
    keys.press("r")
    expect(page.locator("#review-form input[type=radio]").first).to_be_focused()
    bob.pick("Approve this content")
    bob.loads(lambda: keys.press("Control+Enter"))
    bob.see("Approved r1")
    threads = portal.api("bob").get(f"/changes/{number}/threads/")["results"]
    assert [thread["path"] for thread in threads] != [""], "the comment stands on a line"


def test_acceptance_6_without_scripts_one_reads_comments_refuses_approves_and_cancels(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    number = in_review(portal, repository, "by-forms", "Five replicas by forms")
    bob = arrives("bob", WithoutJavaScript)
    page = bob.page
    page.goto(f"/changes/{number}/diff/")
    bob.see("replicas: 5", within="#diff")
    page.locator("summary", has_text="Comment on a file or line").click()
    bob.write("File", "app/values.yaml")
    bob.write("To line", "1")
    bob.write("Comment", "Is five enough?")
    bob.press("Comment now")
    bob.see("Is five enough?")

    page.goto(f"/changes/{number}/diff/")
    bob.pick("Request changes")
    page.locator("#review-form textarea").fill("Say why five.")
    bob.press("Submit review of r1")
    bob.see("Changes requested")
    page.goto(f"/changes/{number}/diff/")
    if not page.locator("#review-form").is_visible():
        page.locator("#review summary").first.click()
    bob.pick("Approve this content")
    bob.press("Submit review of r1")
    bob.see("Approved r1")

    alice = arrives("alice", WithoutJavaScript)
    alice.page.goto(f"/changes/{number}/")
    alice.watch(".page-actions form", "Merge and deploy")
    alice.press("Merge and deploy")
    alice.watch(".page-actions", "Watch staging")
    alice.follow("Watch staging")
    carol = arrives("carol", WithoutJavaScript)
    carol.page.goto(alice.page.url)
    carol.watch("header.thing-head", "Running")
    carol.follow(re.compile("^Cancel"))
    carol.page.get_by_role("button", name=re.compile("^Cancel d-")).click()
    carol.watch("header.thing-head", "Cancelled")
