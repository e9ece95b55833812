"""Drift as a command of portal.yaml tells it, where the way of deploying cannot: shut in beside the worker, in a checkout of what is live.

It ends with 0 where nothing differs, and with ``differs`` where something does; anything else is no answer. Each line that is a JSON
object with a ``resource`` is one difference; without such a line all that it printed is one, if ``differs`` was written: 2, which counts
without that, is also how a shell ends that failed.
"""

from __future__ import annotations

from apps.deployments.command_output import hidden, how_it_ended, last_words, tail_lines
from apps.deployments.dispatchers.checking import Answer, looking, run_command
from apps.deployments.dispatchers.drift import CannotTell, Found
from apps.deployments.drift_lines import Named, named_in, whole_of
from apps.deployments.jobs.runs import run_of_check
from apps.deployments.masking import SecretMask
from apps.deployments.models import Attempt
from apps.policies.config import DriftConfig

BY_NAMES_ALONE = 2
"""The status that counts where ``differs`` is not written, and then only with a line that names something."""


def find_by_command(attempt: Attempt, drift: DriftConfig) -> Found:
    """Ask once about what ``attempt`` brought. :class:`CannotTell` where it ended otherwise, or contradicts itself."""
    run = run_of_check(attempt.deployment, attempt)
    mask = SecretMask(run.secrets.values())
    with looking(attempt.deployment.environment_id) as home:
        answer = run_command(run, drift.command, drift.timeout_seconds, lambda: True, home=home)
    named = named_in(answer.output, mask)
    if answer.ended.is_success:
        if named.findings:
            text = "The command ended with 0, and named something that differs all the same."
            raise CannotTell("contradiction", text)
        if named.problems:
            raise CannotTell("not_read", " ".join(named.problems))
        return Found()
    if not _says_that_it_differs(answer, drift, named):
        raise CannotTell("command_failed", _why(answer, drift, mask))
    return Found(named.findings or (whole_of(answer.output, mask),), problems=named.problems)


def _says_that_it_differs(answer: Answer, drift: DriftConfig, named: Named) -> bool:
    if answer.ended.reason != "exited" or answer.ended.signal is not None:
        return False
    if drift.differs:
        return answer.ended.exit_code == drift.differs
    return answer.ended.exit_code == BY_NAMES_ALONE and bool(named.findings)


def _why(answer: Answer, drift: DriftConfig, mask: SecretMask) -> str:
    ended = f"The command {hidden(how_it_ended(answer.ended, drift.timeout_seconds), mask)}"
    said = last_words(tail_lines(answer.output, mask), mask)
    hint = ""
    if not drift.differs and answer.ended.exit_code == BY_NAMES_ALONE:
        hint = " It named nothing that differs. A failed shell ends so, too: where 2 is its word for a difference, write `differs: 2`."
    return f"{ended}: {said}{hint}" if said else f"{ended}.{hint}"
