"""Everything that writes a state of this context."""

from apps.core.leases import LeaseLost
from apps.deployments.transitions.calling import (
    call_about_silence,
    call_to_start,
    end_call_about_silence,
    redraw_alerts,
    tell_deployers,
)
from apps.deployments.transitions.creating import (
    create_deployment,
    next_number,
    refresh_environments,
)
from apps.deployments.transitions.drifting import Told, end_by_time, write_checks
from apps.deployments.transitions.emergencies import note_emergency
from apps.deployments.transitions.ending import cancel_undone, end_deployment
from apps.deployments.transitions.events import append_event, say
from apps.deployments.transitions.freezing import freeze_target, lift
from apps.deployments.transitions.moving import move, tell_places, wake_pending
from apps.deployments.transitions.naming import attempt_key, merge_key, portal_identity
from apps.deployments.transitions.scheduling import end_schedule

__all__ = [
    "LeaseLost",
    "Told",
    "append_event",
    "attempt_key",
    "call_about_silence",
    "call_to_start",
    "cancel_undone",
    "create_deployment",
    "end_by_time",
    "end_call_about_silence",
    "end_deployment",
    "end_schedule",
    "freeze_target",
    "lift",
    "merge_key",
    "move",
    "next_number",
    "note_emergency",
    "portal_identity",
    "redraw_alerts",
    "refresh_environments",
    "say",
    "tell_deployers",
    "tell_places",
    "wake_pending",
    "write_checks",
]
