"""Going back because portal.yaml says so, in the name of who asked for what is not healthy."""

from __future__ import annotations

from apps.changes.models import ChangeRequest
from apps.deployments.models import Deployment
from apps.deployments.queries.batches import batch_of
from apps.deployments.services.returning import bring_back
from apps.deployments.services.rollback import roll_back


def roll_back_by_rule(deployment: Deployment) -> ChangeRequest:
    """Ask for what was live before; refused as :func:`roll_back` and :func:`bring_back` are.

    Where it brought others beside its own change, undoing that alone would leave them there, and one of them may be to blame.
    """
    related = ("change", "requested_by", "environment__repository", "environment__live_deployment__change")
    row = Deployment.objects.select_related(*related).get(pk=deployment.pk)
    batch = batch_of(row)
    if batch is not None:
        return bring_back(row.requested_by, deployment=batch.earlier, instead_of=row)
    return roll_back(row.requested_by, deployment=row, rule=f"{row.label} is not healthy")
