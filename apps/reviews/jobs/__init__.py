"""Background work of the reviews context."""

from apps.core.work import Job
from apps.reviews.jobs.debts import debts_open, settle_debt
from apps.reviews.jobs.learning import (
    LEARN_HISTORY,
    histories_due,
    landed_due,
    learn_from_landed,
    learn_history,
)
from apps.reviews.jobs.refreshing import due, refresh
from apps.reviews.jobs.upkeep import call_author, forget, old_news, over_snoozes, quiet_changes, wake
from apps.reviews.services import settle_suggestions, unsettled_suggestions
from apps.reviews.transitions import REFRESH

JOBS = [
    Job(REFRESH, due, refresh, every=3.0),
    Job(LEARN_HISTORY, histories_due, learn_history, every=30.0, slow=True),
    Job("reviews.learn_from_landed", landed_due, learn_from_landed, every=15.0),
    Job("reviews.end_snoozes", over_snoozes, wake, every=15.0),
    Job("reviews.call_authors_back", quiet_changes, call_author, every=300.0),
    Job("reviews.settle_suggestions", unsettled_suggestions, settle_suggestions, every=20.0, slow=True),
    Job("reviews.settle_debts", debts_open, settle_debt, every=10.0),
    Job("reviews.forget_news", old_news, forget, every=3600.0),
]

__all__ = ["JOBS", "due", "learn_history", "refresh"]
