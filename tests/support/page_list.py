"""The addresses of the pages, in the demo organisation, by who looks at them. No page may be missing."""

from __future__ import annotations

from django.urls import resolve

CHANGE = ("", "diff/", "diff/?view=split", "approvals/", "deployments/", "history/")
STATUS_PAGE = "harbour-status"
"""The address of a public page that the walk switches on."""

PAGES: dict[str, list[str]] = {
    "": [
        f"/status/{STATUS_PAGE}/",
        *("/accounts/login/", "/accounts/login/?next=/changes/1/", "/accounts/password/reset/", "/nothing-here/"),
        *("/accounts/3rdparty/login/cancelled/", "/accounts/3rdparty/login/error/", "/accounts/inactive/"),
    ],
    "carol": [
        *("/queue/", "/changes/", "/changes/?q=no-such-word", "/changes/?q=state:nonsense", "/changes/new/"),
        *(f"/changes/{number}/{part}" for number in (1, 5, 12) for part in CHANGE),
        *("/changes/14/", "/changes/14/deployments/", "/changes/7/", "/changes/8/attach/", "/changes/11/assignments/"),
        "/changes/14/deploy/?environment=staging",
        *(
            "/changes/11/override/",
            "/changes/11/schedule/",
            "/deployments/12/schedule/",
            "/changes/11/emergency/",
            "/changes/11/checks/",
        ),
        *("/changes/11/withdraw/", "/changes/11/edit/", "/changes/11/retarget/", "/changes/14/close/"),
        *(
            "/deployments/",
            "/deployments/1/",
            "/deployments/8/",
            "/deployments/8/resources/",
            "/deployments/12/",
            "/deployments/2/rollback/",
            "/deployments/1/bring-back/",
            "/changes/14/start/",
        ),
        "/deployments/8/comment/?step=apply&line=2",
        *("/deployments/8/?show=errors", "/deployments/8/search/?q=e"),
        *("/deployments/12/cancel/", "/deployments/12/resolve/", "/deployments/12/start/", "/deployments/8/retry/"),
        *("/environments/", "/environments/harbour/staging/", "/environments/harbour/staging/lock/", "/calendar/"),
        "/environments/harbour/staging/secrets/remove/?name=PAGES",
        *("/environments/harbour/production/", "/environments/harbour/production/drift/"),
        *("/environments/compare/", "/environments/compare/?from=harbour%2Fproduction&to=harbour%2Fstaging"),
        "/environments/compare/files/?from=harbour%2Fproduction&to=harbour%2Fstaging",
        "/environments/compare/?from=harbour%2Fproduction&at=yesterday&to_at=2026-01-01",
        *("/repositories/", "/repositories/connect/", "/repositories/harbour/", "/repositories/harbour/policy/"),
        "/repositories/harbour/outside/",
        *(
            "/repositories/harbour/credentials/",
            "/runbooks/",
            "/runbooks/harbour/scale-the-shop/",
            "/teams/",
            "/teams/sre/",
            "/teams/new/",
            "/audit/",
        ),
        *(
            "/settings/",
            "/settings/keyboard/",
            "/settings/away/",
            "/settings/tokens/",
            "/help/shortcuts/",
            "/help/ui/",
            "/changes/999999/",
        ),
        *("/accounts/logout/", "/accounts/email/", "/accounts/password/change/", "/accounts/2fa/"),
        *("/accounts/3rdparty/", "/accounts/reauthenticate/"),
        *("/changes/11/reviewers/", "/changes/11/reviewers/swap/?user=bob", "/changes/11/diff/whole/"),
        *("/repositories/harbour/history/", "/repositories/harbour/blame/?path=README.md"),
    ],
    "bob": [
        *(
            "/queue/",
            "/changes/11/",
            "/changes/11/diff/",
            "/changes/11/diff/?from=r1&to=r2",
            "/changes/11/diff/?from=r1&to=r2&upstream=1",
            "/changes/11/reviewers/decline/",
            "/changes/9/",
            "/audit/",
        ),
        *("/inbox/", "/queue/hand-over/?change=11", "/queue/snooze/?change=11", "/changes/11/drafts/"),
        *("/changes/11/suggestions/", "/changes/10/threads/1/"),
        *("/changes/9/rendered/", "/changes/9/rendered/?raw=1", "/changes/11/rendered/", "/changes/10/plan/"),
    ],
    "dave": ["/queue/", "/audit/", "/audit/100/", "/changes/11/", "/deployments/8/"],
    "erin": [
        "/queue/",
        *("/timeline/", "/timeline/?from=2020-01-01&incident=2030-01-01&thing=shop", "/timeline/?from=nonsense"),
        *("/connections/", "/connections/new/", "/connections/new/?kind=gitlab", "/connections/deploy-hooks/"),
        *("/connections/deploy-hooks/edit/", "/connections/deploy-hooks/remove/"),
        "/people/",
        "/people/new/",
        "/people/bob/away/",
        "/teams/new/",
        "/teams/sre/",
        "/teams/sre/edit/",
        "/repositories/harbour/rebalance/",
        "/audit/",
    ],
    "mallory": [
        *(
            "/queue/",
            "/timeline/",
            "/changes/",
            "/changes/new/",
            "/changes/1/",
            "/deployments/",
            "/environments/",
            "/repositories/",
        ),
    ],
}
NOT_PAGES = {"change_patch", "timeline_csv", "deployment_events", "deployment_log", "environments_compare_source"}
"""Text and data to keep, which no browser shows as a page."""


def walked() -> set[str]:
    """The names of the routes behind the addresses."""
    paths = {address.partition("?")[0] for addresses in PAGES.values() for address in addresses}
    return {resolve(path).url_name or "" for path in paths if path != "/nothing-here/"}
