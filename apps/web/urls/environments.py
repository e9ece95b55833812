"""Environments: board, comparisons, detail, secrets."""

from django.urls import path

from apps.web.views import calendar, comparing, drift, environments, locks, status_pages

urlpatterns = [
    path("calendar/", calendar.week, name="calendar"),
    path("calendar/_freezes/", calendar.freezes, name="calendar_freezes"),
    path("environments/", environments.board, name="environments"),
    path("environments/compare/", comparing.compare, name="environments_compare"),
    path("environments/compare/_targets/", comparing.targets, name="environments_compare_targets"),
    path("environments/compare/files/", comparing.files, name="environments_compare_files"),
    path("environments/compare/source/", comparing.source, name="environments_compare_source"),
    path("environments/compare/render/", comparing.render_targets, name="environments_compare_render"),
    path("environments/<str:repository>/<str:name>/", environments.show, name="environment"),
    path("environments/<str:repository>/<str:name>/_history/", environments.history, name="environment_history"),
    path("environments/<str:repository>/<str:name>/_windows/", environments.windows, name="environment_windows"),
    path("environments/<str:repository>/<str:name>/_resources/", environments.resources, name="environment_resources"),
    path("status/<str:slug>/", status_pages.status, name="status_page"),
    path(
        "environments/<str:repository>/<str:name>/status-page/",
        status_pages.set_status_page,
        name="environment_status_page",
    ),
    path("environments/<str:repository>/<str:name>/lock/", locks.lock, name="environment_lock"),
    path("environments/<str:repository>/<str:name>/unlock/", locks.unlock, name="environment_unlock"),
    path("environments/<str:repository>/<str:name>/drift/", drift.show, name="environment_drift"),
    path("environments/<str:repository>/<str:name>/drift/check/", drift.check, name="environment_drift_check"),
    path("environments/<str:repository>/<str:name>/drift/accept/", drift.accept, name="environment_drift_accept"),
    path("environments/<str:repository>/<str:name>/drift/unaccept/", drift.unaccept, name="environment_drift_unaccept"),
    path("environments/<str:repository>/<str:name>/drift/reapply/", drift.reapply, name="environment_drift_reapply"),
    path("environments/<str:repository>/<str:name>/drift/adopt/", drift.adopt, name="environment_drift_adopt"),
    path("environments/<str:repository>/<str:name>/secrets/", environments.set_secret, name="environment_secret"),
    path(
        "environments/<str:repository>/<str:name>/secrets/remove/",
        environments.remove_secret,
        name="environment_secret_remove",
    ),
]
