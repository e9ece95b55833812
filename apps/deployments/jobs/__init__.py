"""Background work of the deployments context."""

from apps.changes.services import RUN_PLANS
from apps.core.work import COMMANDS, LIVE, MERGES, STARTS, Job
from apps.deployments.jobs import (
    adopting,
    automatic,
    comparing,
    drifting,
    environments,
    following,
    health,
    inverting,
    landing,
    planning,
    scheduled,
    starting,
    tidying,
    verifying,
)
from apps.deployments.jobs.landing import VERIFY
from apps.deployments.services import ADOPT_DRIFT, CHECK_DRIFT, COMPARE
from apps.deployments.transitions import end_by_time

JOBS = (
    Job(
        name="deployments.carry_out_merges",
        due=landing.merges_due,
        run=landing.carry_out_merge,
        every=1.0,
        slow=True,
        lane=MERGES,
    ),
    Job(name=VERIFY, due=verifying.verifications_due, run=verifying.verify_landed, every=1.0, slow=True, lane=MERGES),
    Job(
        name="deployments.read_environments",
        due=environments.repositories_due,
        run=environments.read_environments,
        every=2.0,
    ),
    Job(name="deployments.start", due=starting.deployments_due, run=starting.start, every=1.0),
    Job(
        name="deployments.begin",
        due=following.starts_due,
        run=following.follow,
        every=0.25,
        slow=True,
        lane=STARTS,
    ),
    Job(name="deployments.follow", due=following.runs_due, run=following.follow, every=0.25, slow=True, lane=LIVE),
    Job(
        name="deployments.ask_commands",
        due=following.watches_due,
        run=following.ask_commands,
        every=1.0,
        slow=True,
        lane=COMMANDS,
    ),
    Job(name=RUN_PLANS, due=planning.plans_due, run=planning.plan, every=5.0, slow=True),
    Job(name=COMPARE, due=comparing.comparisons_due, run=comparing.compare_target, every=5.0, slow=True),
    Job(
        name="deployments.forget_comparisons",
        due=comparing.comparisons_over,
        run=comparing.forget_comparison,
        every=3600.0,
    ),
    Job(name=CHECK_DRIFT, due=drifting.drift_due, run=drifting.check_drift, every=5.0, slow=True),
    Job(name=ADOPT_DRIFT, due=adopting.adoptions_due, run=adopting.adopt, every=5.0, slow=True),
    Job(
        name="deployments.end_drift_acceptances",
        due=drifting.acceptances_over,
        run=end_by_time,
        every=30.0,
    ),
    Job(name="deployments.merge_when_allowed", due=automatic.merges_due, run=automatic.merge_when_allowed, every=5.0),
    Job(name="deployments.merge_scheduled", due=scheduled.schedules_due, run=scheduled.merge_scheduled, every=2.0),
    Job(name="deployments.finish_changes", due=automatic.changes_due, run=automatic.finish_change, every=30.0),
    Job(name="deployments.roll_back_unhealthy", due=health.rollbacks_due, run=health.roll_back_unhealthy, every=5.0),
    Job(
        name="deployments.invert_again",
        due=inverting.inverses_behind,
        run=inverting.invert_again,
        every=10.0,
        slow=True,
    ),
    Job(name="deployments.tidy_checks", due=tidying.checks_due, run=tidying.tidy_checks, every=60.0, slow=True),
    Job(name="deployments.tidy_looks", due=tidying.looks_due, run=tidying.tidy_looks, every=600.0, slow=True),
    Job(name="deployments.tidy_workspaces", due=tidying.attempts_due, run=tidying.tidy, every=60.0, slow=True),
)

__all__ = ["JOBS"]
