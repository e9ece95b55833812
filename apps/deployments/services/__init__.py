"""Use cases of the deployments context: merge, deploy, watch over, undo.

Every function takes the acting person first, checks the access rule, writes one audit entry
and is atomic; refusals are the errors of ``apps.core.errors``.
"""

from apps.deployments.services.adopting import ADOPT_DRIFT, adopt_drift
from apps.deployments.services.by_rule import roll_back_by_rule
from apps.deployments.services.commenting import comment_on_log
from apps.deployments.services.comparing import COMPARE, ask_comparison
from apps.deployments.services.connections import (
    allow_connection,
    create_connection,
    forbid_connection,
    remove_connection,
    try_connection,
    update_connection,
)
from apps.deployments.services.drifting import (
    CHECK_DRIFT,
    accept_drift,
    ask_drift_check,
    end_drift_acceptance,
    reapply_live,
)
from apps.deployments.services.freezing import lift_freeze
from apps.deployments.services.grouping import Started, start_group
from apps.deployments.services.hearing import accept_event
from apps.deployments.services.locking import lock_environment, take_over_lock, unlock_environment
from apps.deployments.services.merging import abort_merge, merge_change
from apps.deployments.services.outside import adopt_outside_change, revert_outside_change
from apps.deployments.services.receiving import Update, judge_push
from apps.deployments.services.reporting import accept_report
from apps.deployments.services.returning import bring_back
from apps.deployments.services.rollback import roll_back
from apps.deployments.services.running import act_on_step, cancel, release, resolve, retry, start_deployment
from apps.deployments.services.scheduling import schedule_deployment, schedule_merge, unschedule_merge
from apps.deployments.services.secrets import remove_secret, set_secret
from apps.deployments.services.status_pages import set_status_page

__all__ = [
    "ADOPT_DRIFT",
    "CHECK_DRIFT",
    "COMPARE",
    "Started",
    "Update",
    "abort_merge",
    "accept_drift",
    "accept_event",
    "accept_report",
    "act_on_step",
    "adopt_drift",
    "adopt_outside_change",
    "allow_connection",
    "ask_comparison",
    "ask_drift_check",
    "bring_back",
    "cancel",
    "comment_on_log",
    "create_connection",
    "end_drift_acceptance",
    "forbid_connection",
    "judge_push",
    "lift_freeze",
    "lock_environment",
    "merge_change",
    "reapply_live",
    "release",
    "remove_connection",
    "remove_secret",
    "resolve",
    "retry",
    "revert_outside_change",
    "roll_back",
    "roll_back_by_rule",
    "schedule_deployment",
    "schedule_merge",
    "set_secret",
    "set_status_page",
    "start_deployment",
    "start_group",
    "take_over_lock",
    "try_connection",
    "unlock_environment",
    "unschedule_merge",
    "update_connection",
]
