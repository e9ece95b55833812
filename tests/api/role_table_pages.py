"""Role × page. A page without a row fails ``test_api_roles``: add one below, in the list of its area."""

from __future__ import annotations

from typing import Any

from tests.api import role_columns as columns
from tests.api.role_columns import (
    ADMINISTER,
    ASK,
    AUDIT,
    CONNECT,
    DEPLOY,
    MAINTAIN,
    MEMBERS,
    MERGE,
    OWN,
    REVIEW,
    TOMORROW,
    WRITE,
    Row,
    everybody,
)

SIGN_IN = 302  # to the sign-in page, and back
DONE = 303  # to where what was done can be seen


def anybody(status: int = 200) -> str:
    """Everybody who is signed in."""
    return columns.signed_in(status, anonymous=SIGN_IN)


def who(names: str, status: int = 200, *, others: int = 403, outsider: int = 404) -> str:
    return columns.who(names, status, others=others, outsider=outsider, anonymous=SIGN_IN)


def hidden(status: int) -> str:
    """Pages that exist for administrators only."""
    return who(ADMINISTER, status, others=404)


def number(name: str, **more: str) -> dict[str, str]:
    return {"number": f"{{{name}}}", **more}


def at(name: str, **more: str) -> dict[str, str]:
    return {"name": name, **more}


INFRA: dict[str, Any] = {"name": "{repository}"}
STAGING: dict[str, Any] = {"repository": "{repository}", "name": "staging"}
BROKEN = {"environment": "staging", "target": "broken"}
WAITING = {"environment": "staging", "target": "waiting"}
APPROVAL = {"revision": "{revision}", "verdict": "approve", "stage": "merge"}

DESK = [
    Row("GET home", anybody(302)),
    Row("GET queue", anybody()),
    Row("GET queue_count", anybody()),
    Row("GET inbox_count", anybody()),
    Row("GET queue_section", anybody(), {"key": "attention"}),
    Row("GET queue_section", anybody(404), {"key": "nothing"}),
    Row("POST queue_arrange", anybody(DONE), body={"view": "engineer"}),
    Row("GET queue_hand_over", who(MEMBERS), query="?change={review}"),
    Row("POST queue_hand_over", who(ASK, DONE), body={"change": "{review}", "user": "kim", "note": "please"}),
    Row("GET queue_snooze", who(MEMBERS), query="?change={review}"),
    Row("POST queue_snooze", who("bob", DONE, others=409), body={"change": "{review}", "until": "1h"}),
    Row("POST change_unsnooze", who("bob", DONE, others=409), number("handed")),
    Row("POST change_settle", who("bob", DONE, others=409), number("handed")),
    Row("POST change_claim", "302 404 403 403 409 303 409 403 403", number("review")),
    Row("POST change_release", who("maintainer", DONE, others=409), number("draft")),
    Row("GET inbox", anybody()),
    Row("POST inbox_mark", anybody(DONE), body={"all": "1"}),
    Row("POST inbox_mark", who("bob", DONE, others=404), body={"row": "{news}", "read": "1"}),
    Row("POST inbox_choose", anybody(DONE), body={"kind": "turn"}),
    Row("GET search", anybody(302), query="?q=x"),
    Row("POST preferences", everybody(DONE), body={"next": "/queue/", "theme": "dark"}),
    Row("GET shortcuts", anybody()),
    Row("GET gallery", anybody()),
]
CHANGES = [
    Row("GET changes", anybody()),
    *(
        Row(f"GET {name}", who(MEMBERS), number("review"))
        for name in (
            "change",
            "change_header",
            "change_verdict",
            "change_reviewers",
            "change_threads",
            "change_everybody",
            "change_approvals",
            "change_deployments",
            "change_history",
            "change_diff",
            "change_patch",
            "change_since",
            "change_diff_shells",
            "change_diff_files",
            "change_diff_moves",
            "change_diff_whole",
            "change_diff_undisplayed",
            "change_diff_find",
            "change_diff_classes",
        )
    ),
    Row("GET change_diff_all", who(MEMBERS, 302), number("review")),
    Row("GET change_file_history", who(MEMBERS, 302), number("review", file_id="{file}")),
    Row("GET change_file_blame", who(MEMBERS, 302), number("review", file_id="{file}")),
    Row("GET change_diff_file", who(MEMBERS), number("review", file_id="{file}")),
    Row("GET change_diff_context", who(MEMBERS, 422), number("review", file_id="{file}"), query="?old=9&new=1&count=0"),
    Row("GET change_new", who(ASK, outsider=200), query="?repository={repository}"),
    Row("POST change_new", who(ASK, DONE, outsider=200), body={"repository": "{repository}", "title": "Ask"}),
    Row(
        "POST change_new",
        who(WRITE, DONE, outsider=200),
        body={"repository": "{repository}", "title": "W", "source_branch": "free"},
    ),
    Row("GET change_edit", who(WRITE), number("review")),
    Row("POST change_edit", who(WRITE, DONE), number("review"), {"title": "Better"}),
    Row("GET change_attach", who(WRITE), number("backlog")),
    Row("POST change_attach", who(WRITE, DONE), number("backlog"), {"source_branch": "free"}),
    Row("GET change_retarget", who(WRITE), number("review")),
    Row("POST change_retarget", who(WRITE, DONE), number("review"), {"target_branch": "other-target"}),
    Row("GET change_withdraw", who(OWN), number("review")),
    Row("POST change_withdraw", who(OWN, DONE), number("review"), {"reason": "no"}),
    Row("GET change_override", who(ASK), number("review")),
    Row("POST change_override", who(ASK, 409), number("review"), {"reason": "the shop is down"}),
    Row("POST change_withdraw_override", who(MEMBERS, 404), number("review", override=1)),
    Row("GET change_emergency", who(MEMBERS), number("review")),
    Row("POST change_emergency", who(WRITE, DONE), number("review"), {"reason": "the shop is down"}),
    Row("POST change_confirm_emergency", who(MEMBERS, 409), number("review")),
    Row("POST change_end_emergency", who(MEMBERS, 409), number("review")),
    Row("GET change_policy", who(MEMBERS, 404), number("review")),
    Row("GET change_checks", who(MEMBERS), number("review")),
    Row("GET change_close", who(MAINTAIN), number("unstarted")),
    Row("POST change_close", who(MAINTAIN, DONE), number("unstarted"), {"reason": "superseded"}),
    Row("POST change_ready", who(WRITE, DONE), number("draft")),
    Row("POST change_draft", who(WRITE, DONE), number("review")),
    Row("POST change_reopen", who(OWN, DONE), number("gone")),
    Row("POST change_merge", who(MERGE, DONE), number("approved")),
    Row("POST change_merge", who(MERGE, 409), number("review")),
    Row("POST change_abort_merge", who("alice bob carol maintainer", 409), number("review")),
    Row("GET change_schedule", who(MERGE), number("review")),
    Row("POST change_schedule", who(MERGE, DONE), number("review"), {"at": TOMORROW}),
    Row("POST change_unschedule", who(MERGE, 409), number("review")),
    Row("GET change_deploy", who(MERGE), number("merged"), query="?environment=staging"),
    Row("POST change_deploy", who(MERGE, DONE), number("merged"), {"environment": "staging"}),
    Row("GET change_assignments", who(WRITE), number("review")),
    Row("POST change_assignments", who(WRITE, DONE), number("review"), {"user": "kim"}),
    Row("POST change_unassign", who(WRITE, DONE), number("review"), {"user": "bob"}),
    Row("GET change_swap", who("alice bob maintainer erin"), number("review"), query="?user=bob"),
    Row("POST change_swap", who("alice bob maintainer erin", DONE), number("review"), {"user": "bob", "reason": "no"}),
    Row("GET change_decline", who("bob", others=409), number("review")),
    Row("POST change_decline", who("bob", DONE, others=409), number("review"), {"reason": "no"}),
    Row("POST change_nudge", who("alice maintainer erin", DONE), number("review"), {"user": "bob"}),
    Row("GET change_reviews", anybody(DONE), number("review")),
    Row("POST change_reviews", who(REVIEW, DONE), number("review"), APPROVAL),
    Row("POST change_withdraw_review", who("bob", DONE), number("approved", review="{approval}")),
    Row("POST change_viewed", who(MEMBERS, DONE), number("review"), {"revision": "{revision}", "file": "{file}"}),
    Row("GET change_rendered", who(MEMBERS), number("review")),
    Row("GET change_plan", who(MEMBERS), number("review")),
    Row("GET change_rendered_targets", who(MEMBERS), number("review")),
    Row("GET change_plan_targets", who(MEMBERS), number("review")),
    Row("POST change_render_again", who(WRITE, DONE), number("review"), BROKEN),
    Row("POST change_render_cancel", who(WRITE, DONE), number("review"), WAITING),
    Row("POST change_resource_seen", who(MEMBERS, 404), number("review"), {"resource": "0" * 40}),
    Row("POST change_open_thread", who(ASK, DONE), number("review"), {"body": "Why?"}),
    Row("POST change_reply", who(ASK, DONE), number("review", thread="{thread}"), {"body": "So."}),
    Row("POST change_resolve", who(f"{WRITE} erin", DONE), number("review", thread="{thread}")),
    Row("GET change_suggestions", who(MEMBERS), number("review")),
    Row("POST change_suggestions", who(WRITE, 422), number("review"), {"revision": "1", "comment": "999999"}),
    Row("POST change_drop_thread", who(f"{WRITE} erin", DONE), number("review", thread="{thread}"), {"reason": "no"}),
    Row("GET change_thread", who(MEMBERS), number("review", thread="{thread}")),
    Row("GET change_diff_threads", who(MEMBERS), number("review")),
    Row("GET change_drafts", who(MEMBERS), number("review")),
    Row("POST change_drafts", who(ASK, DONE), number("review"), {"body": "Hm"}),
    Row("POST change_delete_draft", who("alice", DONE, others=404), number("review", draft="{draft_comment}")),
    Row("POST change_reopen_thread", who(f"{WRITE} erin", DONE), number("review", thread="{settled}")),
]
DEPLOYMENTS = [
    Row("GET deployments", anybody()),
    *(
        Row(f"GET {name}", who(MEMBERS), number("succeeded"))
        for name in (
            "deployment",
            "deployment_header",
            "deployment_steps",
            "deployment_event_list",
            "deployment_log_list",
            "deployment_events",
            "deployment_log",
        )
    ),
    Row("GET deployment_resources", who(MEMBERS), number("succeeded")),
    Row("GET deployment_search", who(MEMBERS), number("succeeded"), query="?q=line"),
    Row("GET deployment_log_piece", who(MEMBERS), number("succeeded"), query="?step=apply&from=1&to=1"),
    Row("GET deployment_comment", who(ASK), number("succeeded"), query="?step=apply&line=1"),
    Row("POST deployment_comment", who(ASK, DONE), number("succeeded"), {"step": "apply", "line": "1", "body": "Hm"}),
    Row("GET deployment_start", who(MERGE), number("waiting")),
    Row("POST deployment_start", who(MERGE, DONE), number("waiting")),
    Row("GET deployment_schedule", who(MERGE), number("waiting")),
    Row("POST deployment_schedule", who(MERGE, DONE), number("waiting"), {"at": TOMORROW}),
    Row("POST deployment_unschedule", who(MERGE, 409), number("waiting")),
    Row("GET deployment_cancel", who(MERGE), number("waiting")),
    Row("POST deployment_cancel", who(MERGE, DONE), number("waiting")),
    Row("GET deployment_retry", who(MERGE), number("failed")),
    Row("POST deployment_retry", who(MERGE, DONE), number("failed")),
    Row("GET deployment_resolve", who(MEMBERS), number("unknown")),
    Row("POST deployment_step", who(MERGE, 422), {"number": "{waiting}", "step": "0"}, {"action": "play"}),
    Row("POST deployment_resolve", who(DEPLOY, DONE), number("unknown"), {"outcome": "failed", "reason": "I looked"}),
    Row("GET deployment_rollback", who(MERGE), number("succeeded")),
    Row("POST deployment_rollback", who(MERGE, DONE), number("succeeded"), {"confirm": "production"}),
    Row("GET change_start_group", who(MERGE), number("merged")),
    Row("POST change_start_group", who(MERGE, 422), number("merged")),
    Row("GET deployment_bring_back", who(DEPLOY), number("succeeded")),
    Row("POST deployment_bring_back", who(DEPLOY, DONE), number("succeeded"), {"confirm": "staging"}),
    Row("GET environments", anybody()),
    Row("GET environments_compare", who(MEMBERS), query="?from={repository}/staging&to={repository}/production"),
    Row("GET environments_compare_targets", who(MEMBERS), query="?from={repository}/staging&to=git"),
    Row("GET environments_compare_files", who(MEMBERS), query="?from={repository}/staging&to=git"),
    Row("GET environments_compare_source", who(MEMBERS), query="?from={repository}/staging&to=git"),
    Row("GET environments_compare_render", anybody(DONE)),
    Row("POST environments_compare_render", who(ASK, DONE), body={"from": "{repository}/staging", "to": "git"}),
    Row("GET calendar", anybody()),
    Row("GET calendar_freezes", anybody()),
    Row("GET environment", who(MEMBERS), STAGING),
    Row("GET environment_history", who(MEMBERS), STAGING),
    Row("GET environment_windows", who(MEMBERS), STAGING),
    Row("GET environment_resources", who(MEMBERS), STAGING),
    Row("GET status_page", everybody(404), {"slug": "nothing-here"}),
    Row("GET environment_status_page", anybody(DONE), STAGING),
    Row("POST environment_status_page", who(MAINTAIN, DONE), STAGING, {"is_on": "on", "slug": "shop-status"}),
    Row("GET environment_lock", who(DEPLOY), STAGING),
    Row("POST environment_lock", who(DEPLOY, DONE), STAGING, {"reason": "a migration", "hours": "1"}),
    Row("POST environment_unlock", who(DEPLOY, 409), STAGING),
    Row("GET environment_drift", who(MEMBERS), STAGING),
    Row("POST environment_drift_check", who(ASK, DONE), STAGING),
    Row("GET environment_drift_accept", anybody(DONE), STAGING),
    Row("POST environment_drift_accept", who(DEPLOY, 409), STAGING, {"mark": "0" * 64, "reason": "known", "days": "7"}),
    Row("POST environment_drift_unaccept", who(DEPLOY, 409), STAGING, {"mark": "0" * 64}),
    Row("POST environment_drift_reapply", who(MERGE, DONE), STAGING),
    Row("POST environment_drift_adopt", who(ASK, 409), STAGING),
    Row("GET environment_secret", anybody(DONE), STAGING),
    Row("POST environment_secret", who(MAINTAIN, DONE), STAGING, {"name": "PASSWORD", "value": "a-long-value"}),
    Row("GET environment_secret_remove", who(MAINTAIN), STAGING, query="?name=KEY"),
    Row("POST environment_secret_remove", who(MAINTAIN, DONE), STAGING, {"name": "KEY"}),
]
REPOSITORIES = [
    Row("GET repositories", anybody()),
    Row("GET repository_connect", who(CONNECT, outsider=403)),
    Row(
        "POST repository_connect",
        who(CONNECT, DONE, outsider=403),
        body={"name": "second", "url": "{local}/remote-infra.git"},
    ),
    Row("GET repository", who(MEMBERS), INFRA),
    Row("GET repository_policy", who(MEMBERS), INFRA),
    Row("GET repository_history", who(MEMBERS), INFRA),
    Row("GET repository_blame", who(MEMBERS), INFRA, query="?path=app/values.yaml"),
    Row("GET repository_blame_rows", who(MEMBERS), INFRA, query="?path=app/values.yaml"),
    Row("GET repository_outside", who(MEMBERS), INFRA),
    Row("POST outside_adopt", who(WRITE, DONE), {**INFRA, "outside": "{outside}"}),
    Row("POST outside_revert", who(WRITE, DONE), {**INFRA, "outside": "{outside}"}),
    Row("POST repository_sync", who(ASK, DONE), INFRA),
    Row("GET repository_member", anybody(DONE), INFRA),
    Row("POST repository_member", who(MAINTAIN, DONE), INFRA, {"member": "kim", "role": "viewer"}),
    Row("POST repository_member_remove", who(MAINTAIN, DONE), INFRA, {"member": "team/network"}),
    Row("POST repository_webhook", who(MAINTAIN, DONE), INFRA),
    Row("GET repository_rebalance", who(MAINTAIN), INFRA),
    Row("POST repository_rebalance", who(MAINTAIN, 409), INFRA, {"moves": "1:bob:kim"}),
    Row("POST repository_claims", who(MAINTAIN, DONE), INFRA, {"required": "no"}),
    Row("POST freeze_lift", who(MAINTAIN, DONE), {**INFRA, "freeze": "{freeze}"}, {"reason": "A test of ours."}),
    Row("GET repository_credentials", who(MAINTAIN), INFRA),
    Row("POST repository_credentials", who(MAINTAIN, DONE), INFRA, {"username": "bot", "secret": "x"}),
    Row("GET runbooks", anybody()),
    Row("GET runbook", who(MEMBERS), {"repository": "{repository}", "slug": "restore"}),
]
# A form shown by GET without a look at the object redirects everybody alike: it tells nothing.
CORP = at("corp")
SEEN = {"others": 404}
CONNECTIONS = [
    Row("GET connections", anybody()),
    Row("GET connection_new", who(ADMINISTER, outsider=403)),
    Row("POST connection_new", who(ADMINISTER, outsider=403)),
    Row("GET connection", who(MAINTAIN, **SEEN), CORP),
    Row("POST connection_test", who(MAINTAIN, DONE, **SEEN), CORP),
    *(
        Row(call, f"302 404 404 404 404 404 403 404 {status}", CORP, body)
        for call, status, body in (
            ("GET connection_edit", 200, {}),
            ("POST connection_edit", 422, {}),
            ("POST connection_allow", DONE, {"repository": "infra"}),
            ("POST connection_forbid", DONE, {"repository": "infra"}),
            ("GET connection_remove", 200, {}),
            ("POST connection_remove", DONE, {}),
        )
    ),
    Row("GET connection_allow", anybody(DONE), CORP),
]
PEOPLE = [
    Row("GET teams", anybody()),
    Row("GET team_new", who(CONNECT, outsider=403)),
    Row("POST team_new", who(CONNECT, DONE, outsider=403), body={"name": "dba", "members": "kim"}),
    Row("GET team", anybody(), at("network")),
    Row("GET team_edit", who(ADMINISTER, outsider=403), at("network")),
    Row("POST team_edit", who(ADMINISTER, DONE, outsider=403), at("network"), {"title": "Networks"}),
    Row("GET team_member", anybody(DONE), at("network")),
    Row("POST team_member", who(ADMINISTER, DONE, outsider=403), at("network"), {"user": "alice"}),
    Row("POST team_member_remove", who(ADMINISTER, DONE, outsider=403), at("network"), {"user": "kim"}),
    Row("GET people", hidden(200)),
    Row("GET person_new", hidden(200)),
    Row(
        "POST person_new",
        hidden(DONE),
        body={"username": "newcomer", "email": "", "password": "", "kind": "human"},
    ),
    Row("POST person_sponsor", hidden(DONE), {"handle": "robot"}, {"sponsor": "kim"}),
    Row("POST person_deactivate", hidden(DONE), {"handle": "kim"}),
    Row("POST person_reactivate", hidden(409), {"handle": "kim"}),
    Row("GET person_away", hidden(200), {"handle": "kim"}),
    Row("POST person_away", hidden(DONE), {"handle": "kim"}, {"first_day": "2099-01-04", "last_day": "2099-01-09"}),
    Row("POST person_away_end", hidden(404), {"handle": "kim", "absence": "1"}),
    Row("POST person_connecting", hidden(DONE), {"handle": "kim"}, {"allowed": "yes"}),
    Row("GET settings", anybody()),
    Row("GET keyboard", anybody()),
    Row("POST keyboard", anybody(DONE), body={"is_on": "on", "next-block": "b"}),
    Row("GET away", anybody()),
    Row("POST away", anybody(DONE), body={"first_day": "2099-01-04", "last_day": "2099-01-09"}),
    Row("POST away_end", anybody(404), {"absence": "1"}),
    Row("GET time_zone", anybody(DONE)),
    Row("POST time_zone", anybody(DONE), body={"time_zone": "Europe/Berlin"}),
    Row("GET tokens", anybody()),
    Row("POST tokens", anybody(DONE), body={"name": "nightly", "scopes": ["read"], "days": "30"}),
    Row("POST token_revoke", anybody(404), {"token": "{token}"}),
]
RECORDS = [
    Row("GET timeline", anybody()),
    Row("GET timeline_csv", anybody()),
    Row("GET audit", who(AUDIT, outsider=403)),
    Row("GET audit_entry", who(AUDIT, outsider=403), {"seq": "{entry}"}),
    Row("GET audit_verify", who(AUDIT, DONE, outsider=403)),
    Row("POST audit_verify", who(AUDIT, DONE, outsider=403)),
]
ROWS = [*DESK, *CHANGES, *DEPLOYMENTS, *CONNECTIONS, *REPOSITORIES, *PEOPLE, *RECORDS]
