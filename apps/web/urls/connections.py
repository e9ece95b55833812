"""Connections to the systems that carry out deployments."""

from django.urls import path

from apps.web.views import connections

urlpatterns = [
    path("connections/", connections.index, name="connections"),
    path("connections/new/", connections.new, name="connection_new"),
    path("connections/<str:name>/", connections.show, name="connection"),
    path("connections/<str:name>/edit/", connections.edit, name="connection_edit"),
    path("connections/<str:name>/test/", connections.test, name="connection_test"),
    path("connections/<str:name>/allow/", connections.allow, name="connection_allow"),
    path("connections/<str:name>/forbid/", connections.forbid, name="connection_forbid"),
    path("connections/<str:name>/remove/", connections.remove, name="connection_remove"),
]
