"""Every page, as the people who use it: accessible in four looks, no wider than a telephone, nothing to complain about."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, StorageState

from apps.demo.cast import PASSWORD
from tests.support.browsing import Person
from tests.support.looking import walk
from tests.support.server import PortalServer

LOOKS = [("light", "default"), ("dark", "default"), ("light", "cb"), ("dark", "cb")]
CHANGE = ["", "diff/", "diff/?view=split", "approvals/", "deployments/", "history/"]
PAGES = {
    "": ["/accounts/login/", "/accounts/login/?next=/changes/1/", "/nothing-here/"],
    "carol": [
        *("/queue/", "/changes/", "/changes/?q=no-such-word", "/changes/?q=state:nonsense", "/changes/new/"),
        *(f"/changes/{number}/{part}" for number in (1, 5, 12) for part in CHANGE),
        *("/changes/14/", "/changes/14/deployments/", "/changes/7/", "/changes/8/attach/", "/changes/11/assignments/"),
        *("/changes/11/withdraw/", "/changes/11/edit/", "/changes/11/retarget/", "/changes/14/close/"),
        *("/deployments/", "/deployments/1/", "/deployments/8/", "/deployments/12/", "/deployments/2/rollback/"),
        *("/environments/", "/environments/harbour/staging/", "/environments/harbour/production/"),
        *("/repositories/", "/repositories/connect/", "/repositories/harbour/", "/repositories/harbour/policy/"),
        *("/repositories/harbour/credentials/", "/runbooks/", "/teams/", "/teams/sre/", "/audit/"),
        *(
            "/settings/",
            "/settings/away/",
            "/changes/11/reviewers/",
            "/settings/tokens/",
            "/help/shortcuts/",
            "/accounts/logout/",
            "/changes/999999/",
        ),
    ],
    "bob": [
        "/queue/",
        "/changes/11/",
        "/changes/11/diff/",
        "/changes/11/diff/?from=r1&to=r2",
        "/changes/9/",
        "/audit/",
    ],
    "dave": ["/queue/", "/audit/", "/audit/100/", "/changes/11/", "/deployments/8/"],
    "erin": [
        "/queue/",
        "/people/",
        "/people/new/",
        "/teams/new/",
        "/teams/sre/",
        "/teams/sre/edit/",
        "/repositories/harbour/rebalance/",
        "/audit/",
    ],
    "mallory": [
        "/queue/",
        "/changes/",
        "/changes/new/",
        "/changes/1/",
        "/deployments/",
        "/environments/",
        "/repositories/",
    ],
}

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, portal: PortalServer) -> dict[str, StorageState | None]:
    """The cookies of everybody who walks."""
    states: dict[str, StorageState | None] = {"": None}
    for name in filter(None, PAGES):
        person = Person(chromium, portal.url, name, PASSWORD)
        states[name] = person.context.storage_state()
        person.leave()
    return states


@pytest.mark.parametrize("width", [1440, 320])
@pytest.mark.parametrize("who", PAGES, ids=lambda name: name or "nobody")
def test_pages_are_accessible_and_quiet(
    who: str, width: int, chromium: Browser, portal: PortalServer, signed_in: dict[str, StorageState | None]
) -> None:
    found = walk(
        chromium, portal.url, PAGES[who], look={"theme": "light", "diff": "default"}, width=width, state=signed_in[who]
    )
    assert found == {}


# Colours differ between looks, and nothing else does: one page of each kind is enough for the other three.
KINDS = [
    *("/queue/", "/changes/", "/changes/5/", "/changes/12/diff/", "/changes/11/approvals/", "/changes/14/deployments/"),
    *("/deployments/8/", "/deployments/2/rollback/", "/environments/", "/environments/harbour/production/"),
    *("/repositories/harbour/", "/settings/", "/changes/999999/"),
]


@pytest.mark.parametrize("width", [1440, 320])
@pytest.mark.parametrize(("theme", "diff"), LOOKS[1:], ids=lambda value: value)
def test_every_look_has_contrast(
    theme: str,
    diff: str,
    width: int,
    chromium: Browser,
    portal: PortalServer,
    signed_in: dict[str, StorageState | None],
) -> None:
    look = {"theme": theme, "diff": diff}
    found = walk(chromium, portal.url, KINDS, look=look, width=width, state=signed_in["carol"])
    assert found == {}
