"""The kinds of connection: which systems the portal can speak to, and what each needs to be told."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a connection; ``is_secret`` ones are write-only."""

    name: str
    label: str
    help: str = ""
    is_secret: bool = False
    is_required: bool = False
    is_long: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """``url_help`` shows what an address of this system looks like."""

    name: str
    title: str
    url_help: str
    fields: tuple[Field, ...]

    @property
    def secrets(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.is_secret)

    @property
    def options(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if not field.is_secret)


_CA = Field(
    "ca", "Certificate authority", "PEM, when the system has a certificate of your own authority.", is_long=True
)


def _token(help_text: str) -> Field:
    return Field("token", "Token", help_text, is_secret=True, is_required=True)


_ALL = (
    Kind(
        "gitlab",
        "GitLab",
        "https://gitlab.example.org",
        (
            _token("A project or group access token with the scope api and the role Developer or above."),
            Field("trigger_token", "Trigger token", "Pipelines are then started with it.", is_secret=True),
            _CA,
        ),
    ),
    Kind(
        "github",
        "GitHub",
        "https://api.github.com, or https://github.example.org/api/v3",
        (
            _token(
                "A fine-grained token with Actions: read and write and Contents: read. With `environment` also Deployments: "
                "read and write; with `tag: true` also Contents: write."
            ),
            _CA,
        ),
    ),
    Kind(
        "argocd",
        "Argo CD",
        "https://argocd.example.org",
        (_token("Of an account that may get, sync and override the applications."), _CA),
    ),
    Kind(
        "flux",
        "Flux",
        "https://kubernetes.example.org:6443, the API of the cluster",
        (
            _token("Of a service account that may get and patch Kustomizations, HelmReleases and their sources."),
            Field("receiver", "Receiver", "Path of a Receiver's webhook, when sources are told by it.", is_secret=True),
            Field(
                "events", "Event key", "Of a Provider (generic-hmac), when Flux tells its events here.", is_secret=True
            ),
            _CA,
        ),
    ),
    Kind(
        "kubernetes",
        "Kubernetes",
        "https://kubernetes.example.org:6443",
        (_token("Of a service account that may apply what the targets render."), _CA),
    ),
    Kind(
        "jenkins",
        "Jenkins",
        "https://jenkins.example.org",
        (
            Field("user", "User", is_required=True),
            Field("token", "API token", "Of that user.", is_secret=True, is_required=True),
            _CA,
        ),
    ),
    Kind(
        "aws",
        "AWS CloudFormation",
        "https://cloudformation.eu-west-1.amazonaws.com",
        (
            Field("region", "Region", "eu-west-1", is_required=True),
            Field("accessKeyId", "Access key id", is_required=True),
            Field(
                "secretAccessKey",
                "Secret access key",
                "Of a user that may change the stacks, or may take the role.",
                is_secret=True,
                is_required=True,
            ),
            Field("role", "Role", "arn:aws:iam::123456789012:role/portal, when its rights are used instead."),
        ),
    ),
    Kind(
        "webhook",
        "Webhook",
        "https://deployer.example.org/hooks/portal",
        (
            Field(
                "secret",
                "Signing secret",
                "whsec_ and Base64 of 24 to 64 bytes: both directions are signed with it (Standard Webhooks).",
                is_secret=True,
                is_required=True,
            ),
            _CA,
        ),
    ),
    Kind(
        "http",
        "Web address",
        "https://shop.example.org",
        (Field("token", "Token", "Sent as Authorization: Bearer, when the address asks for one.", is_secret=True), _CA),
    ),
    Kind(
        "prometheus",
        "Prometheus",
        "https://prometheus.example.org",
        (Field("token", "Token", "Sent as Authorization: Bearer, when the server asks for one.", is_secret=True), _CA),
    ),
)

KINDS = MappingProxyType({kind.name: kind for kind in _ALL})
"""By name, in the order in which a form offers them."""

KINDS_OF_CHECKS = ("http", "prometheus")
"""Kinds that are asked how healthy something is; nothing is deployed through them."""

KIND_OF_DISPATCHER = MappingProxyType(
    {"cloudformation" if name == "aws" else name: name for name in KINDS if name not in KINDS_OF_CHECKS}
)
"""``deploy.via`` → the kind of the connection that it needs; the others need none."""
