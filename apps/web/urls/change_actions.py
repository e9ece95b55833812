"""What people do to a change: POST sub-paths, and the forms that lead to them."""

from django.urls import path

from apps.web.views import change_actions, change_forms, drafts, rendered, reviewer_forms, reviewing, threads, viewing

urlpatterns = [
    path("changes/new/", change_forms.new, name="change_new"),
    path("changes/<int:number>/edit/", change_forms.edit, name="change_edit"),
    path("changes/<int:number>/attach/", change_forms.attach, name="change_attach"),
    path("changes/<int:number>/retarget/", change_forms.retarget, name="change_retarget"),
    path("changes/<int:number>/withdraw/", change_forms.withdraw, name="change_withdraw"),
    path("changes/<int:number>/override/", change_forms.override, name="change_override"),
    path(
        "changes/<int:number>/overrides/<int:override>/withdraw/",
        change_actions.withdraw_override,
        name="change_withdraw_override",
    ),
    path("changes/<int:number>/close/", change_forms.close, name="change_close"),
    path("changes/<int:number>/ready/", change_actions.ready, name="change_ready"),
    path("changes/<int:number>/draft/", change_actions.draft, name="change_draft"),
    path("changes/<int:number>/reopen/", change_actions.reopen, name="change_reopen"),
    path("changes/<int:number>/merge/", change_actions.merge, name="change_merge"),
    path("changes/<int:number>/deploy/", change_actions.deploy, name="change_deploy"),
    path("changes/<int:number>/assignments/", change_forms.assignments, name="change_assignments"),
    path("changes/<int:number>/assignments/end/", change_actions.unassign, name="change_unassign"),
    path("changes/<int:number>/reviewers/swap/", reviewer_forms.swap, name="change_swap"),
    path("changes/<int:number>/reviewers/decline/", reviewer_forms.decline, name="change_decline"),
    path("changes/<int:number>/reviewers/nudge/", reviewer_forms.nudge, name="change_nudge"),
    path("changes/<int:number>/viewed/", viewing.viewed, name="change_viewed"),
    path("changes/<int:number>/renderings/again/", rendered.again, name="change_render_again"),
    path("changes/<int:number>/renderings/cancel/", rendered.cancel, name="change_render_cancel"),
    path("changes/<int:number>/renderings/seen/", rendered.seen, name="change_resource_seen"),
    path("changes/<int:number>/reviews/<int:review>/withdraw/", reviewing.withdraw, name="change_withdraw_review"),
    path("changes/<int:number>/reviews/", reviewing.reviews, name="change_reviews"),
    path("changes/<int:number>/threads/", threads.open_one, name="change_open_thread"),
    path("changes/<int:number>/threads/<int:thread>/reply/", threads.reply, name="change_reply"),
    path("changes/<int:number>/threads/<int:thread>/resolve/", threads.resolve, name="change_resolve"),
    path("changes/<int:number>/threads/<int:thread>/drop/", threads.drop, name="change_drop_thread"),
    path("changes/<int:number>/drafts/<int:draft>/delete/", drafts.delete, name="change_delete_draft"),
    path("changes/<int:number>/threads/<int:thread>/reopen/", threads.reopen, name="change_reopen_thread"),
]
