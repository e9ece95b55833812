"""The audit log and runbooks."""

from django.urls import path

from apps.web.views import audit, runbooks

urlpatterns = [
    path("audit/", audit.entries, name="audit"),
    path("audit/verify/", audit.verify, name="audit_verify"),
    path("audit/<int:seq>/", audit.entry, name="audit_entry"),
    path("runbooks/", runbooks.index, name="runbooks"),
    path("runbooks/<str:repository>/<path:slug>/", runbooks.show, name="runbook"),
]
