"""What changed: the timeline, the audit log, and runbooks."""

from django.urls import path

from apps.web.views import audit, runbooks, timeline

urlpatterns = [
    path("timeline/", timeline.timeline, name="timeline"),
    path("timeline/timeline.csv", timeline.export, name="timeline_csv"),
    path("audit/", audit.entries, name="audit"),
    path("audit/verify/", audit.verify, name="audit_verify"),
    path("audit/<int:seq>/", audit.entry, name="audit_entry"),
    path("runbooks/", runbooks.index, name="runbooks"),
    path("runbooks/<str:repository>/<path:slug>/", runbooks.show, name="runbook"),
]
