"""Discussing in the rows of a difference: by mouse and by keys, beside others, across revisions and a lost session."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.demo.cast import PASSWORD
from tests.support.browsing import SECONDS, Person
from tests.support.git import GitRepo
from tests.support.server import PortalServer

# Whether these threads stand in the page or are offered.
ARRIVED = """(threads) => threads.length === threads.filter((one) => document.getElementById(`thread-${one}`)).length
  + Number.parseInt(document.querySelector('.threads-offer')?.textContent || '0', 10)"""

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]
LONG = SECONDS * 1000
KEYS = [f"key{number}: {number}" for number in range(1, 31)]
PLACE = """() => {
  const form = document.querySelector('#line-comment');
  return {top: Math.round(form.getBoundingClientRect().top), focus: document.activeElement.id};
}"""
WHERE = """(number) => {
  const bar = document.querySelector(`#thread-${number}`), row = bar.closest('tr.tt')?.previousElementSibling;
  const ids = row && [row, ...row.querySelectorAll('[id]')].map((one) => /-([LR]\\d+)$/.exec(one.id)?.[1]).filter(Boolean);
  if (ids) return ids.find((id) => id.startsWith('R')) || ids[0];
  return bar.closest('.ft') ? 'file' : bar.closest('[data-elsewhere]') ? 'elsewhere' : 'list';
}"""


def edited(*changed: int, extra: str = "") -> str:
    """The file with other words in the lines ``changed``, and ``extra`` before all."""
    lines = [f"{line}  # edited" if number in changed else line for number, line in enumerate(KEYS, start=1)]
    return extra + "\n".join(lines) + "\n"


def proposed(portal: PortalServer, name: str) -> int:
    body = {"repository": name, "title": f"Edit of {name}", "source_branch": "edit"}
    number: int = portal.api("alice").post("/changes/", body, status=201)["number"]
    portal.api("alice").until(f"/changes/{number}/", lambda change: bool(change["revisions"]))
    return number


def say(portal: PortalServer, number: int, who: str = "kim", path: str = "app.yaml", **place: object) -> int:
    body = {"path": path, "body": "Why?", "kind": "comment", **place}
    thread: int = portal.api(who).post(f"/changes/{number}/threads/", body, status=201)["number"]
    return thread


def line(page: Page, name: str, path: str = "app.yaml") -> object:
    section = page.locator(".df", has=page.locator("h3", has_text=path)).first
    return section.locator(f"[id$='-{name}'] a, a[id$='-{name}'], td[id$='-{name}'] a").first


@pytest.mark.parametrize("view", ["unified", "split"])
def test_lines_are_chosen_by_click_shift_and_c_and_n_stops_once_at_each_block(
    view: str, arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    repository(f"click-{view}", {"app.yaml": edited()}, edit={"app.yaml": edited(3, 4, 5, 20)})
    number = proposed(portal, f"click-{view}")
    page = arrives("bob").page
    page.goto(f"/changes/{number}/diff/?view={view}")
    form = page.locator("#line-comment")
    line(page, "R3").click()
    expect(form.locator("#line-body")).to_be_focused()
    assert form.evaluate("(form) => form.closest('tr.tt') !== null")
    form.locator("#line-body").fill("Why this?")
    form.get_by_role("button", name="Comment now").click()
    expect(page.locator(".dt tr.tt #thread-1")).to_be_visible()
    assert page.evaluate(WHERE, 1) == "R3"
    line(page, "R3").click()
    line(page, "R5").click(modifiers=["Shift"])
    expect(form.locator("#line-start")).to_have_value("3")
    expect(form.locator("#line-line")).to_have_value("5")
    assert page.locator(".dt tr.chosen").count() >= 3
    page.keyboard.press("Escape")
    expect(form).to_be_hidden()
    page.keyboard.press("c")
    expect(form.locator("#line-line")).to_have_value("5")
    page.keyboard.press("Escape")
    page.goto(f"/changes/{number}/diff/?view={view}")
    expect(page.locator(".dt tr.tt #thread-1")).to_be_visible()
    stops = []
    for _ in range(2):
        page.keyboard.press("n")
        page.wait_for_function("() => document.querySelector('.dt tr.at')")
        stops.append(page.evaluate("() => document.querySelector('.dt tr.at').rowIndex"))
    page.keyboard.press("n")
    assert stops[0] < stops[1]
    assert page.evaluate("() => document.querySelector('.dt tr.at').rowIndex") == stops[1], "there are two blocks"


def test_what_others_say_leaves_text_focus_and_scroll_alone(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    repository("beside", {"app.yaml": edited()}, edit={"app.yaml": edited(3, 12, 28)})
    number = proposed(portal, "beside")
    first = say(portal, number, line=3)
    page = arrives("bob").page
    page.goto(f"/changes/{number}/diff/")
    line(page, "R12").click()
    page.keyboard.type("I am in the middle of")
    before = page.evaluate(PLACE)
    second = say(portal, number, line=28)
    above = say(portal, number, line=4)
    portal.api("kim").post(f"/changes/{number}/threads/{first}/replies/", {"body": "And why else?"}, status=201)
    expect(page.locator(f"#thread-{first} .thread-news")).to_contain_text("1 new comment", timeout=LONG)
    page.wait_for_function(ARRIVED, arg=[second, above], timeout=LONG)
    assert page.evaluate(PLACE) == before
    offer = page.locator(".threads-offer")
    if offer.count():  # what would push down what is read waits until it is asked for
        offer.click()
        page.locator("#line-body").focus()
    for thread in (second, above):
        expect(page.locator(f"#thread-{thread} .thread-news")).to_contain_text("1 new comment", timeout=LONG)
        assert not page.locator(f"#thread-{thread}").evaluate("(bar) => bar.open")
    page.keyboard.press("End")
    page.keyboard.type(" a word")
    expect(page.locator("#line-body")).to_have_value("I am in the middle of a word")
    page.locator(f"#thread-{second} > summary").click()
    expect(page.locator(f"#thread-{second} .prose")).to_have_text("Why?")
    expect(page.locator("#line-body")).to_have_value("I am in the middle of a word")


def test_acceptance_16_after_a_lost_session_the_draft_is_still_there(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    repository("session", {"app.yaml": edited()}, edit={"app.yaml": edited(3)})
    number = proposed(portal, "session")
    bob = arrives("bob")
    page = bob.page
    page.goto(f"/changes/{number}/diff/")
    line(page, "R3").click()
    page.keyboard.type("Nothing of this may be lost")
    expect(page.locator("#line-comment [data-saved]")).to_have_text("Draft saved", timeout=LONG)
    other = bob.context.new_page()
    other.goto("/accounts/logout/")
    other.locator("main").get_by_role("button", name="Sign out").click()
    other.close()
    expect(page.locator("#messages")).to_contain_text("Your session has ended", timeout=LONG)
    expect(page.locator("#line-body")).to_have_value("Nothing of this may be lost")
    bob.complaints.expect("status of 403")
    page.locator("#messages").get_by_role("link", name="Sign in").click()
    bob.write("Username or e-mail", "bob")
    bob.write("Password", PASSWORD)
    bob.press("Sign in")
    expect(page.locator(".thread--draft .draft-text")).to_have_text("Nothing of this may be lost")
    assert page.locator("tr.tt .thread--draft").count() == 1, "the draft stands at its line"
    line(page, "R3").click()
    expect(page.locator("#line-body")).to_have_value("Nothing of this may be lost")


@pytest.mark.parametrize("view", ["unified", "split"])
def test_acceptance_23_a_new_revision_loses_no_thread_and_unviews_only_what_changed(
    view: str, arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    files = {name: edited() for name in ("app.yaml", "same.yaml", "gone.yaml")}
    work = repository(f"carry-{view}", files, edit={name: edited(5, 20) for name in files})
    number = proposed(portal, f"carry-{view}")
    carried, outdated = say(portal, number, line=5), say(portal, number, line=20, start_line=19)
    same, gone = say(portal, number, path="same.yaml", line=5), say(portal, number, path="gone.yaml", line=5)
    page = arrives("bob").page
    page.goto(f"/changes/{number}/diff/?view={view}")
    for path in ("app.yaml", "same.yaml"):
        section = page.locator(".df", has=page.locator("h3", has_text=path))
        section.get_by_role("button", name="Viewed").click()
        expect(section.get_by_role("button", name="Viewed")).to_have_attribute("aria-pressed", "true")
    before = page.locator(".thread[data-thread]").count()
    assert before == 4
    work.checkout("edit")
    again = edited(5, extra="first: 0\n").replace("key20: 20\n", "key20: twenty\n")
    work.commit("Again", files={"app.yaml": again, "gone.yaml": edited()})
    work.push()
    portal.api("alice").until(f"/changes/{number}/", lambda change: len(change["revisions"]) == 2)
    expect(page.locator(f"#change-{number}-revision-bar, #messages, main").first).to_contain_text("r2", timeout=LONG)
    page.goto(f"/changes/{number}/diff/?view={view}")
    assert page.locator(".thread[data-thread]").count() == before
    places = {name: page.evaluate(WHERE, thread) for name, thread in
              {"carried": carried, "outdated": outdated, "same": same, "gone": gone}.items()}  # fmt: skip
    assert places == {"carried": "R6", "outdated": "file", "same": "R5", "gone": "elsewhere"}
    expect(page.locator(f"#thread-{outdated} .snippet")).to_contain_text("key20: 20  # edited")
    changed = page.locator(".df", has=page.locator("h3", has_text="app.yaml"))
    expect(changed.get_by_role("button", name="Viewed")).to_have_attribute("aria-pressed", "false")
    expect(changed).to_contain_text("Changed since you viewed")
    still = page.locator(".df", has=page.locator("h3", has_text="same.yaml"))
    expect(still.get_by_role("button", name="Viewed")).to_have_attribute("aria-pressed", "true")
    page.goto(f"/changes/{number}/diff/?from=r1&to=r2&view={view}")
    assert page.locator(".thread[data-thread]").count() == before, "a comparison shows them all, too"


def test_shift_n_and_shift_p_go_to_open_threads_in_files_that_have_not_come(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    names = [f"file{number}.yaml" for number in range(6)]
    before = {name: "".join(f"key{n}: {n}\n" for n in range(300)) for name in names}
    after = {name: text.replace(": ", ": new-") for name, text in before.items()}
    repository("lazy", before, edit=after)
    number = proposed(portal, "lazy")
    threads = [say(portal, number, path=name, line=2) for name in (names[0], names[3], names[5])]
    settled = say(portal, number, path=names[2], line=2)
    portal.api("kim").post(f"/changes/{number}/threads/{settled}/resolve/")
    page = arrives("bob").page
    page.goto(f"/changes/{number}/diff/")
    visited = []
    for keys in ("Shift+N", "Shift+N", "Shift+N", "Shift+P"):
        was = page.evaluate("document.activeElement.closest('.thread')?.id")
        page.keyboard.press(keys)
        page.wait_for_function(
            "(was) => { const now = document.activeElement.closest('.thread')?.id; return now && now !== was; }",
            arg=was,
        )
        visited.append(page.evaluate("document.activeElement.closest('.thread').id"))
        assert page.evaluate(WHERE, int(visited[-1].split("-")[1])) == "R2"
    assert visited == [f"thread-{threads[at]}" for at in (0, 1, 2, 1)]


def test_a_suggestion_by_key_is_applied_by_the_author_as_a_new_revision(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    repository("better", {"app.yaml": edited()}, edit={"app.yaml": edited(3)})
    number = proposed(portal, "better")
    page = arrives("bob").page
    page.goto(f"/changes/{number}/diff/")
    page.keyboard.press("n")
    line(page, "R3").focus()
    page.keyboard.press("Shift+C")
    body = page.locator("#line-body")
    expect(body).to_have_value("```suggestion\nkey3: 3  # edited\n```")
    body.fill("```suggestion\nkey3: three\n```")
    page.get_by_role("button", name="Comment now").click()
    expect(page.locator("tr.tt #thread-1 .suggestion")).to_be_visible()
    alice = arrives("alice")
    alice.page.goto(f"/changes/{number}/diff/")
    alice.see("will not count", within="#thread-1")
    alice.press("Apply")
    alice.page.goto(f"/changes/{number}/diff/")
    expect(line(alice.page, "R3")).to_be_visible()
    expect(alice.page.locator("main")).to_contain_text("key3: three")
    assert len(portal.api("alice").get(f"/changes/{number}/")["revisions"]) == 2
    alice.see("Applied in", within="#thread-1")
