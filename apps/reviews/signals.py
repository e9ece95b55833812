"""Past-tense notices of the reviews context, sent after commit with ids only."""

from django.dispatch import Signal

review_submitted = Signal()
"""``change_id``, ``review_id``."""

attention_changed = Signal()
"""``user_ids`` (list of int): whose queue or inbox is different now."""

verdict_changed = Signal()
"""``change_id``: requirements, reviewers or threads of this change are different now."""

gate_opened = Signal()
"""``change_id``: a freeze, a window or the rules do not hold it any more."""
