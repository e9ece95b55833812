"""The queue while somebody works in it: nothing moves away, ticks stay, and the way back leads to the same row."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_browser_live import FILES, LONG, proposed, stay
from tests.support.browsing import Person
from tests.support.git import GitRepo
from tests.support.server import PortalServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]
SHOW = "[data-show-updates]"
ROWS = "() => [...document.querySelectorAll('#queue-updates [data-rows] > li')].map((row) => row.id)"


def asked(portal: PortalServer, name: str, *branches: str) -> list[int]:
    """Changes of alice that bob is asked to review, one for each branch."""
    numbers = [proposed(portal, name, branch, f"Change {branch} of {name}") for branch in branches]
    for number in numbers:
        ask(portal, number)
    for number in numbers:
        portal.api("bob").until(
            f"/changes/{number}/attention/", lambda body: any(row["user"] == "bob" for row in body["results"])
        )
    return numbers


def ask(portal: PortalServer, number: int) -> None:
    people = portal.api("alice").get(f"/changes/{number}/assignments/")["results"]
    if not any(row["user"] == "bob" for row in people):
        portal.api("alice").client.post(f"/changes/{number}/assignments/", json={"user": "bob"})


def row(page: Page, number: int) -> str:
    return f"#queue-attention-{number}"


def test_acceptance_13_rows_stay_while_pointer_or_focus_is_in_a_list(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    branches = {
        name: {"app/values.yaml": f"replicas: {index}\n"} for index, name in enumerate(("one", "two", "late"), 2)
    }
    repository("held-queue", FILES, **branches)
    first, second = asked(portal, "held-queue", "one", "two")
    bob = arrives("bob").page
    bob.goto("/queue/")
    stay(bob)
    bob.locator(f"{row(bob, second)} a").first.focus()
    bob.keyboard.press("x")
    expect(bob.locator(f"#tick-{second}")).to_be_checked()
    before = bob.evaluate(ROWS)

    late = asked(portal, "held-queue", "late")[0]
    portal.api("kim").post(f"/changes/{first}/threads/", {"body": "Hm.", "kind": "question"}, status=201)
    expect(bob.locator(SHOW)).to_contain_text("update", timeout=LONG)
    expect(bob.locator("#live")).to_contain_text("in your queue", timeout=LONG)
    assert bob.evaluate(ROWS) == before, "nothing was inserted and nothing moved"
    assert bob.evaluate("document.activeElement.closest('li').id") == f"queue-attention-{second}"

    bob.locator(SHOW).click()
    expect(bob.locator(row(bob, late))).to_be_visible(timeout=LONG)
    expect(bob.locator(SHOW)).to_be_hidden()
    assert bob.evaluate("document.activeElement.closest('li')?.id") == f"queue-attention-{second}", "the focus is back"
    expect(bob.locator(f"#tick-{second}")).to_be_checked()
    assert bob.evaluate("window.neverLoadedAgain")


def test_acceptance_13_a_pointer_in_the_list_is_enough(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    repository(
        "held-pointer", FILES, one={"app/values.yaml": "replicas: 2\n"}, late={"app/values.yaml": "replicas: 3\n"}
    )
    (first,) = asked(portal, "held-pointer", "one")
    bob = arrives("bob").page
    bob.goto("/queue/")
    bob.evaluate("document.activeElement.blur()")
    bob.locator(row(bob, first)).hover()
    before = bob.evaluate(ROWS)
    (late,) = asked(portal, "held-pointer", "late")
    expect(bob.locator(SHOW)).to_contain_text("update", timeout=LONG)
    assert bob.evaluate(ROWS) == before
    bob.mouse.move(5, 5)
    expect(bob.locator(row(bob, late))).to_be_visible(timeout=LONG)
    turns = portal.api("bob").get("/queue/")["turns"]
    expect(bob.locator("#nav-queue-count")).to_contain_text(str(turns), timeout=LONG)
    expect(bob).to_have_title(re.compile(rf"^\({turns}\) My queue"), timeout=LONG)


def test_the_numbers_beside_queue_and_inbox_are_live_on_every_page(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    """By one socket: pages that show nothing live have one too, but do not call themselves live."""
    branches = {
        name: {"app/values.yaml": f"replicas: {index}\n"} for index, name in enumerate(("one", "two", "three"), 2)
    }
    repository("counted", FILES, **branches)
    (first,) = asked(portal, "counted", "one")
    bob = arrives("bob").page
    for path, branch in (("/settings/", "two"), (f"/changes/{first}/", "three")):
        sockets: list[str] = []
        bob.on("websocket", lambda socket, kept=sockets: kept.append(socket.url))
        bob.goto(path)
        stay(bob)
        expect(bob.locator("#nav-queue-count")).to_have_text(re.compile(r"^[1-9]"))
        turns, unread = (
            int(bob.locator(f"#nav-{name}-count").text_content().split()[0]) for name in ("queue", "inbox")
        )
        asked(portal, "counted", branch)
        expect(bob.locator("#nav-queue-count")).to_contain_text(f"{turns + 1} need", timeout=LONG)
        expect(bob.locator("#nav-inbox-count")).to_contain_text(f"{unread + 1} unread", timeout=LONG)
        expect(bob).to_have_title(re.compile(rf"^\({turns + 1}\) "), timeout=LONG)
        expect(bob.locator("#live")).to_contain_text("need you", timeout=LONG)
        assert len(sockets) == 1, sockets
        assert bob.locator("#freshness").is_visible() is path.startswith("/changes/")
        assert bob.evaluate("window.neverLoadedAgain")


def test_acceptance_4_from_the_queue_into_a_review_and_back_by_keyboard(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    branches = {
        name: {"app/values.yaml": f"replicas: {index}\n"} for index, name in enumerate(("one", "two", "three"), 2)
    }
    repository("by-keyboard", FILES, **branches)
    numbers = asked(portal, "by-keyboard", *branches)
    bob = arrives("bob").page
    bob.goto("/queue/")
    rows = bob.evaluate(ROWS)
    at = rows.index(f"queue-attention-{numbers[0]}")
    for _ in range(at + 1):
        bob.keyboard.press("j")
    assert bob.evaluate("document.activeElement.closest('li').id") == rows[at]
    bob.keyboard.press("o")
    bob.wait_for_url(f"**/changes/{numbers[0]}/")
    bob.keyboard.press("u")
    bob.wait_for_url("**/queue/")
    focused = "document.activeElement.closest('li')?.id"
    bob.wait_for_function(f"{focused} === '{rows[at]}'", timeout=LONG)  # the same row
    portal.api("bob").post(f"/changes/{numbers[0]}/reviews/", {"revision": 1, "verdict": "approve"}, status=201)
    bob.keyboard.press("o")
    bob.wait_for_url(f"**/changes/{numbers[0]}/")
    bob.keyboard.press("u")
    bob.wait_for_url("**/queue/")
    # The row is gone, so the one in its place has the focus.
    bob.wait_for_function(f"{focused} === ({ROWS})()[{at}]", timeout=LONG)


def test_acceptance_6_hand_over_and_snooze_without_javascript(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    from tests.support.browsing import WithoutJavaScript

    branches = {
        name: {"app/values.yaml": f"replicas: {index}\n"} for index, name in enumerate(("one", "two", "three"), 2)
    }
    repository("no-script-queue", FILES, **branches)
    first, second, third = asked(portal, "no-script-queue", *branches)
    person = arrives("bob", WithoutJavaScript)
    person.complaints.expect("422")  # nobody has the name that is typed first
    bob = person.page
    bob.goto("/queue/")
    bob.locator(f"#tick-{first}").check()
    bob.locator(f"#tick-{second}").check()
    bob.locator("#queue-chosen").get_by_role("button", name="Snooze…").click()
    expect(bob.locator("#main h2")).to_contain_text("Snooze 2 changes")
    bob.get_by_label("Until tomorrow").check()
    bob.get_by_role("button", name="Snooze").click()
    expect(bob.locator("#messages")).to_contain_text(f"CHG-{first}, CHG-{second} snoozed.")
    expect(bob.locator(f"#queue-snoozed-{first}")).to_have_count(1)
    bob.goto(f"/queue/hand-over/?change={third}")
    bob.get_by_label("To whom").fill("nobody-here")
    bob.get_by_label("Note").fill("you know the charts")
    bob.get_by_role("button", name="Hand over").click()
    expect(bob.locator("form.panel")).to_contain_text("Nobody here is called")
    expect(bob.get_by_label("Note")).to_have_value("you know the charts")
    bob.get_by_label("To whom").fill("kim")
    bob.get_by_role("button", name="Hand over").click()
    expect(bob.locator("#messages")).to_contain_text(f"CHG-{third} handed over to")
    turns = portal.api("kim").get(f"/changes/{third}/attention/")["results"]
    reasons = {turn["user"]: turn["reason"] for turn in turns}
    assert reasons["kim"].startswith("Handed over by @bob"), turns
    assert "bob" not in reasons
