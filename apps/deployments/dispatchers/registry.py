"""Which dispatcher carries out ``deploy.via``, and how a connection of each kind is tried."""

from __future__ import annotations

from collections.abc import Callable

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import (
    Capabilities,
    Dispatcher,
    Outside,
    argocd,
    aws_api,
    cloudformation,
    flux,
    github,
    gitlab,
    jenkins,
    kubernetes,
    trying,
    webhook,
)
from apps.deployments.dispatchers.drift import FindsDrift
from apps.deployments.dispatchers.local import LocalDispatcher
from apps.deployments.dispatchers.standing import TellsHealth
from apps.deployments.dispatchers.terraform import TerraformDispatcher
from apps.deployments.dispatchers.tracing import traced

DISPATCHERS: dict[str, Dispatcher] = {
    "local": LocalDispatcher(),
    "argocd": argocd.ArgoCDDispatcher(),
    "cloudformation": cloudformation.CloudFormationDispatcher(),
    "flux": flux.FluxDispatcher(),
    "github": github.GitHubDispatcher(),
    "gitlab": gitlab.GitLabDispatcher(),
    "jenkins": jenkins.JenkinsDispatcher(),
    "kubernetes": kubernetes.KubernetesDispatcher(),
    "terraform": TerraformDispatcher(),
    "webhook": webhook.WebhookDispatcher(),
}

FINDERS: dict[str, FindsDrift] = {
    "argocd": argocd.ArgoCDDispatcher(),
    "cloudformation": cloudformation.CloudFormationDispatcher(),
    "flux": flux.FluxDispatcher(),
    "kubernetes": kubernetes.KubernetesDispatcher(),
}
"""Those that can say whether what they brought is still there; of the others nobody knows."""

TELLERS: dict[str, TellsHealth] = {
    "argocd": argocd.ArgoCDDispatcher(),
    "flux": flux.FluxDispatcher(),
    "kubernetes": kubernetes.KubernetesDispatcher(),
}
"""Those that can say how what they brought does now."""

TESTS: dict[str, Callable[[Outside], str]] = {
    "argocd": argocd.test,
    "aws": aws_api.test,
    "flux": flux.test,
    "github": github.test,
    "gitlab": gitlab.test,
    "http": trying.address,
    "jenkins": jenkins.test,
    "kubernetes": kubernetes.test,
    "prometheus": trying.prometheus,
    "webhook": webhook.test,
}
"""Kind of connection → what asks the other system who we are: a sentence, or :class:`Unavailable`."""


def dispatcher_of(via: str) -> Dispatcher:
    """The dispatcher of that name; :class:`Unavailable` names those that exist."""
    try:
        return traced(DISPATCHERS[via], via)
    except KeyError:
        raise Unavailable(
            "no_dispatcher",
            f"This portal cannot deploy via {via!r}; it knows {', '.join(sorted(DISPATCHERS))}. "
            "A maintainer can change `deploy.via` in .gitops/portal.yaml.",
        ) from None


def drift_finder_of(via: str) -> FindsDrift | None:
    """Who can say whether what ``via`` brought is still there; ``None`` where nobody can."""
    return FINDERS.get(via)


def capabilities_of(via: str) -> Capabilities:
    """What that dispatcher can do; nothing where there is no such one."""
    found = DISPATCHERS.get(via)
    return found.capabilities if found is not None else Capabilities()


def health_teller_of(via: str) -> TellsHealth | None:
    """Who can say how what ``via`` brought does now; ``None`` where nobody can."""
    return TELLERS.get(via)
