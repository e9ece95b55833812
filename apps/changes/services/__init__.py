"""Use cases of the changes context.

Every function takes the acting person first, checks the access rule, writes one audit entry and is
atomic; refusals are the errors of ``apps.core.errors``. The instance that was passed in shows the
new state afterwards, and is returned.
"""

from apps.changes.services.attaching import attach_branch
from apps.changes.services.checks import report_check
from apps.changes.services.creating import (
    create_adoption,
    create_change,
    create_inverse_change,
    create_restoring_change,
    create_returning_change,
)
from apps.changes.services.following import follow_branches, restore_pins, take_update
from apps.changes.services.inverses import INVERT, compute_inverse, forget_inverse
from apps.changes.services.moving import (
    assign_owner,
    back_to_draft,
    close_change,
    edit_change,
    mark_ready,
    reopen,
    retarget,
    take_ownership,
    withdraw,
)
from apps.changes.services.rendering import (
    KEEP_SIDES,
    RENDER,
    RUN_PLANS,
    cancel_rendering,
    carry_out_plan,
    forget_side,
    hand_in_plan,
    plan_renderings,
    render,
    render_again,
)

__all__ = [
    "INVERT",
    "KEEP_SIDES",
    "RENDER",
    "RUN_PLANS",
    "assign_owner",
    "attach_branch",
    "back_to_draft",
    "cancel_rendering",
    "carry_out_plan",
    "close_change",
    "compute_inverse",
    "create_adoption",
    "create_change",
    "create_inverse_change",
    "create_restoring_change",
    "create_returning_change",
    "edit_change",
    "follow_branches",
    "forget_inverse",
    "forget_side",
    "hand_in_plan",
    "mark_ready",
    "plan_renderings",
    "render",
    "render_again",
    "reopen",
    "report_check",
    "restore_pins",
    "retarget",
    "take_ownership",
    "take_update",
    "withdraw",
]
