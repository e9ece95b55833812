"""All pages, one module per area; an area adds its own list here."""

from django.urls import URLPattern

from apps.web.urls import (
    change_actions,
    changes,
    connections,
    deployments,
    desk,
    environments,
    people,
    records,
    repositories,
)

app_name = "web"
urlpatterns: list[URLPattern] = [
    *desk.urlpatterns,
    *changes.urlpatterns,
    *change_actions.urlpatterns,
    *connections.urlpatterns,
    *deployments.urlpatterns,
    *environments.urlpatterns,
    *repositories.urlpatterns,
    *people.urlpatterns,
    *records.urlpatterns,
]
