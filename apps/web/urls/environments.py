"""Environments: board, detail, secrets."""

from django.urls import path

from apps.web.views import calendar, environments

urlpatterns = [
    path("calendar/", calendar.week, name="calendar"),
    path("environments/", environments.board, name="environments"),
    path("environments/<str:repository>/<str:name>/", environments.show, name="environment"),
    path("environments/<str:repository>/<str:name>/secrets/", environments.set_secret, name="environment_secret"),
    path(
        "environments/<str:repository>/<str:name>/secrets/remove/",
        environments.remove_secret,
        name="environment_secret_remove",
    ),
]
