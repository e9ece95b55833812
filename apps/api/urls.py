"""The API's URLs (DESIGN §12)."""

from django.urls import path, re_path

from apps.api.endpoints import route
from apps.api.schema import SchemaView
from apps.api.unknown import unknown_address
from apps.api.views import (
    audit,
    changes,
    deployments,
    desk,
    gates,
    merging,
    outside,
    people,
    policies,
    renderings,
    repositories,
    reviewers,
    reviews,
    schedules,
    teams,
    threads,
)

app_name = "api"

urlpatterns = [
    path("schema/", SchemaView.as_view(), name="schema"),
    # people
    path("me/", route(people.show_me), name="me"),
    path("me/keyboard/", route(people.show_keyboard, people.choose_keyboard), name="my-keyboard"),
    path("me/time-zone/", route(reviewers.set_time_zone), name="me-time-zone"),
    path("me/absences/", route(reviewers.list_absences, reviewers.declare_absence), name="me-absences"),
    path("me/absences/<int:absence>/", route(reviewers.end_absence), name="me-absence"),
    path("users/", route(people.list_users, people.create_user), name="users"),
    path("users/<str:username>/", route(people.show_user, people.edit_user), name="user"),
    path(
        "users/<str:username>/absences/",
        route(reviewers.list_absences_of, reviewers.declare_absence_of),
        name="user-absences",
    ),
    path("users/<str:username>/absences/<int:absence>/", route(reviewers.end_absence_of), name="user-absence"),
    path("users/<str:username>/sponsor/", route(people.set_sponsor), name="user-sponsor"),
    path("users/<str:username>/deactivate/", route(people.deactivate_user), name="user-deactivate"),
    path("users/<str:username>/reactivate/", route(people.reactivate_user), name="user-reactivate"),
    path("teams/", route(teams.list_teams, teams.create_team), name="teams"),
    path("teams/<str:name>/", route(teams.show_team, teams.set_team_members, teams.edit_team), name="team"),
    path("tokens/", route(people.list_tokens, people.create_token), name="tokens"),
    path("tokens/<int:token>/", route(people.revoke_token), name="token"),
    # repositories
    path("repositories/", route(repositories.list_repositories, repositories.connect_repository), name="repositories"),
    path("repositories/<str:name>/", route(repositories.show_repository), name="repository"),
    path("repositories/<str:name>/sync/", route(repositories.sync_repository), name="repository-sync"),
    path(
        "repositories/<str:name>/credentials/",
        route(repositories.change_credentials),
        name="repository-credentials",
    ),
    path(
        "repositories/<str:name>/rebalance/",
        route(reviewers.show_rebalancing, reviewers.rebalance),
        name="repository-rebalance",
    ),
    path("repositories/<str:name>/webhook/", route(repositories.rotate_webhook_secret), name="repository-webhook"),
    path(
        "repositories/<str:name>/members/<path:member>/",
        route(repositories.set_member, repositories.remove_member),
        name="repository-member",
    ),
    path("repositories/<str:name>/receive/", route(gates.judge_push), name="repository-receive"),
    path(
        "repositories/<str:name>/claims/", route(merging.show_claims, merging.require_claims), name="repository-claims"
    ),
    path(
        "repositories/<str:name>/outside-changes/",
        route(outside.list_outside_changes),
        name="repository-outside-changes",
    ),
    path(
        "repositories/<str:name>/outside-changes/<int:outside>/adopt/",
        route(outside.adopt),
        name="outside-change-adopt",
    ),
    path(
        "repositories/<str:name>/outside-changes/<int:outside>/revert/",
        route(outside.revert),
        name="outside-change-revert",
    ),
    path("webhooks/<str:provider>/<str:name>/", repositories.accept_delivery, name="webhook"),
    # changes
    path("changes/", route(changes.list_changes, changes.create_change), name="changes"),
    path("changes/<int:number>/", route(changes.show_change, changes.edit_change), name="change"),
    path("changes/<int:number>/attach/", route(changes.attach_branch), name="change-attach"),
    path("changes/<int:number>/ready/", route(changes.mark_ready), name="change-ready"),
    path("changes/<int:number>/draft/", route(changes.back_to_draft), name="change-draft"),
    path("changes/<int:number>/retarget/", route(changes.retarget), name="change-retarget"),
    path("changes/<int:number>/withdraw/", route(changes.withdraw), name="change-withdraw"),
    path("changes/<int:number>/reopen/", route(changes.reopen), name="change-reopen"),
    path("changes/<int:number>/close/", route(changes.close_change), name="change-close"),
    path("changes/<int:number>/merge/", route(merging.list_merges, changes.merge_change), name="change-merge"),
    path(
        "changes/<int:number>/schedule/",
        route(schedules.list_schedules, schedules.schedule_merge, schedules.unschedule_merge),
        name="change-schedule",
    ),
    path("deployments/<int:number>/schedule/", route(schedules.schedule_deployment), name="deployment-schedule"),
    path("changes/<int:number>/verdicts/", route(gates.list_verdicts), name="change-verdicts"),
    path("changes/<int:number>/overlaps/", route(changes.list_overlaps), name="change-overlaps"),
    path("changes/<int:number>/merge/abort/", route(changes.abort_merge), name="change-merge-abort"),
    path("changes/<int:number>/diff/", route(changes.show_diff), name="change-diff"),
    path("changes/<int:number>/revisions/<int:revision>/", route(changes.show_revision), name="change-revision"),
    # reviews
    path("changes/<int:number>/reviews/", route(reviews.list_reviews, reviews.submit_review), name="change-reviews"),
    path(
        "changes/<int:number>/reviews/<int:review>/withdraw/",
        route(reviews.withdraw_review),
        name="change-review-withdraw",
    ),
    path("changes/<int:number>/viewed/", route(reviews.list_viewed, reviews.mark_viewed), name="change-viewed"),
    path(
        "changes/<int:number>/viewed/<str:file>/",
        route(reviews.mark_file_viewed, reviews.unmark_file),
        name="change-viewed-file",
    ),
    path(
        "changes/<int:number>/assignments/", route(reviews.list_assignments, reviews.assign), name="change-assignments"
    ),
    path("changes/<int:number>/assignments/<str:username>/", route(reviews.unassign), name="change-assignment"),
    path("changes/<int:number>/reviewers/", route(reviewers.show_reviewers), name="change-reviewers"),
    path("changes/<int:number>/decline/", route(reviewers.decline), name="change-decline"),
    path("changes/<int:number>/assignments/<str:username>/swap/", route(reviewers.swap), name="assignment-swap"),
    path("changes/<int:number>/assignments/<str:username>/nudge/", route(reviewers.nudge), name="assignment-nudge"),
    path("changes/<int:number>/threads/", route(threads.list_threads, threads.open_thread), name="change-threads"),
    path("changes/<int:number>/threads/<int:thread>/replies/", route(threads.reply), name="thread-replies"),
    path("changes/<int:number>/threads/<int:thread>/resolve/", route(threads.resolve_thread), name="thread-resolve"),
    path("changes/<int:number>/threads/<int:thread>/drop/", route(threads.drop_thread), name="thread-drop"),
    path("changes/<int:number>/threads/<int:thread>/reopen/", route(threads.reopen_thread), name="thread-reopen"),
    path("changes/<int:number>/suggestions/", route(threads.apply_suggestions), name="change-suggestions"),
    path("changes/<int:number>/drafts/", route(threads.list_drafts, threads.save_draft), name="change-drafts"),
    path("changes/<int:number>/drafts/<int:draft>/", route(threads.delete_draft), name="change-draft-comment"),
    path(
        "changes/<int:number>/overrides/", route(gates.list_overrides, gates.override_window), name="change-overrides"
    ),
    path(
        "changes/<int:number>/overrides/<int:override>/withdraw/",
        route(gates.withdraw_override),
        name="change-override-withdraw",
    ),
    path(
        "changes/<int:number>/emergency/",
        route(gates.list_emergencies, gates.declare_emergency),
        name="change-emergency",
    ),
    path("changes/<int:number>/emergency/confirm/", route(gates.confirm_emergency), name="emergency-confirm"),
    path("changes/<int:number>/emergency/end/", route(gates.end_emergency), name="emergency-end"),
    path("changes/<int:number>/checks/", route(gates.list_checks, gates.report_check), name="change-checks"),
    path("changes/<int:number>/policy/", route(policies.show_policy_change), name="change-policy"),
    # what it does
    path("changes/<int:number>/renderings/", route(renderings.list_renderings), name="change-renderings"),
    path("changes/<int:number>/renderings/again/", route(renderings.render_again), name="rendering-again"),
    path("changes/<int:number>/renderings/cancel/", route(renderings.cancel_rendering), name="rendering-cancel"),
    path("changes/<int:number>/renderings/plan/", route(renderings.hand_in_plan), name="rendering-plan"),
    path("changes/<int:number>/renderings/seen/", route(renderings.mark_resource_seen), name="rendering-seen"),
    path(
        "changes/<int:number>/renderings/<str:environment>/<str:target>/",
        route(renderings.show_rendering),
        name="change-rendering",
    ),
    # whose turn it is
    path("changes/<int:number>/attention/", route(desk.list_attention), name="change-attention"),
    path("changes/<int:number>/attention/hand-over/", route(desk.hand_over), name="attention-hand-over"),
    path("changes/<int:number>/attention/snooze/", route(desk.snooze), name="attention-snooze"),
    path("changes/<int:number>/attention/unsnooze/", route(desk.unsnooze), name="attention-unsnooze"),
    path("changes/<int:number>/attention/settle/", route(desk.settle), name="attention-settle"),
    path("changes/<int:number>/attention/claim/", route(desk.claim), name="attention-claim"),
    path("changes/<int:number>/attention/release/", route(desk.release), name="attention-release"),
    path("queue/", route(desk.show_queue), name="queue"),
    path("queue/arrangement/", route(desk.show_desk, desk.arrange_desk), name="queue-arrangement"),
    path("inbox/", route(desk.list_inbox), name="inbox"),
    path("inbox/read-all/", route(desk.read_all_news), name="inbox-read-all"),
    path("inbox/choice/", route(desk.choose_news), name="inbox-choice"),
    path("inbox/<int:news>/read/", route(desk.read_news), name="inbox-read"),
    path("inbox/<int:news>/unread/", route(desk.unread_news), name="inbox-unread"),
    # deployments
    path("deployments/", route(deployments.list_deployments, deployments.start_deployment), name="deployments"),
    path("deployments/<int:number>/", route(deployments.show_deployment), name="deployment"),
    path("deployments/<int:number>/events/", route(deployments.list_events), name="deployment-events"),
    path("deployments/<int:number>/log/", route(deployments.show_log), name="deployment-log"),
    path("deployments/<int:number>/start/", route(deployments.start), name="deployment-start"),
    path("deployments/<int:number>/cancel/", route(deployments.cancel), name="deployment-cancel"),
    path("deployments/<int:number>/retry/", route(deployments.retry), name="deployment-retry"),
    path("deployments/<int:number>/rollback/", route(deployments.roll_back), name="deployment-rollback"),
    path("deployments/<int:number>/resolve/", route(deployments.resolve), name="deployment-resolve"),
    path("calendar/", route(policies.show_calendar), name="calendar"),
    path("environments/", route(deployments.list_environments), name="environments"),
    path(
        "environments/<str:repository>/<str:environment>/secrets/<str:name>/",
        route(deployments.set_secret, deployments.remove_secret),
        name="environment-secret",
    ),
    path("audit/", route(audit.list_entries), name="audit"),
    path("audit/verify/", route(audit.verify_chain), name="audit-verify"),
    re_path(r"^.*$", unknown_address, name="unknown"),
]
