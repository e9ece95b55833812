"""Pages of changes; fragments are `/_…/`."""

from django.urls import path

from apps.web.views import (
    change_lists,
    change_pages,
    change_tabs,
    diff_reading,
    diffs,
    drafts,
    grouping,
    rendered,
    suggestions,
    threads,
)

urlpatterns = [
    # /changes/
    path("changes/", change_lists.changes, name="changes"),
    # /changes/1042/
    path("changes/<int:number>/", change_pages.overview, name="change"),
    path("changes/<int:number>/_header/", change_pages.header, name="change_header"),
    path("changes/<int:number>/_verdict/", change_pages.verdict, name="change_verdict"),
    path("changes/<int:number>/_reviewers/", change_pages.reviewers, name="change_reviewers"),
    path("changes/<int:number>/_threads/", change_pages.threads, name="change_threads"),
    path("changes/<int:number>/threads/<int:thread>/", threads.show, name="change_thread"),
    path("changes/<int:number>/drafts/", drafts.drafts, name="change_drafts"),
    path("changes/<int:number>/suggestions/", suggestions.suggestions, name="change_suggestions"),
    path("changes/<int:number>/reviewers/", change_tabs.reviewers, name="change_everybody"),
    path("changes/<int:number>/approvals/", change_tabs.approvals, name="change_approvals"),
    path("changes/<int:number>/policy/", change_tabs.policy, name="change_policy"),
    path("changes/<int:number>/checks/", change_tabs.checks, name="change_checks"),
    path("changes/<int:number>/deployments/", change_tabs.deployments, name="change_deployments"),
    path("changes/<int:number>/start/", grouping.start_group, name="change_start_group"),
    path("changes/<int:number>/history/", change_tabs.history, name="change_history"),
    # /changes/1042/rendered/, /changes/1042/plan/
    path("changes/<int:number>/rendered/", rendered.effect, {"is_plan": False}, name="change_rendered"),
    path("changes/<int:number>/plan/", rendered.effect, {"is_plan": True}, name="change_plan"),
    path("changes/<int:number>/_rendered/", rendered.targets, {"is_plan": False}, name="change_rendered_targets"),
    path("changes/<int:number>/_plan/", rendered.targets, {"is_plan": True}, name="change_plan_targets"),
    # /changes/1042/diff/
    path("changes/<int:number>/diff/", diffs.diff, name="change_diff"),
    path("changes/<int:number>/diff/whole/", diffs.whole, name="change_diff_whole"),
    path(
        "changes/<int:number>/diff/<str:file_id>/history/",
        diff_reading.file_page,
        {"page": "history"},
        name="change_file_history",
    ),
    path(
        "changes/<int:number>/diff/<str:file_id>/blame/",
        diff_reading.file_page,
        {"page": "blame"},
        name="change_file_blame",
    ),
    path("changes/<int:number>/diff.patch", diffs.patch, name="change_patch"),
    path("changes/<int:number>/_since/", diffs.since, name="change_since"),
    path("changes/<int:number>/_diff/file/<str:file_id>/", diffs.file_rows, name="change_diff_file"),
    path("changes/<int:number>/_diff/context/<str:file_id>/", diffs.context_rows, name="change_diff_context"),
    path("changes/<int:number>/_diff/moves/", diffs.moves, name="change_diff_moves"),
    path("changes/<int:number>/_diff/shells/", diffs.more_shells, name="change_diff_shells"),
    path("changes/<int:number>/_diff/threads/", diffs.threads, name="change_diff_threads"),
    path("changes/<int:number>/_diff/files/", diffs.counts, name="change_diff_files"),
    path("changes/<int:number>/_diff/undisplayed/", diff_reading.undisplayed, name="change_diff_undisplayed"),
    path("changes/<int:number>/_diff/all/", diff_reading.everything, name="change_diff_all"),
    path("changes/<int:number>/_diff/find/", diff_reading.find, name="change_diff_find"),
    path("changes/<int:number>/_diff/classes/", diff_reading.classes, name="change_diff_classes"),
]
