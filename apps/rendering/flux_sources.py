"""Where Flux takes files from: this repository, a part of it under other names, or a place that is not here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from apps.rendering.flux_ignoring import Ignoring
from apps.rendering.kubernetes import group_of
from apps.rendering.model import Failure, Json, RenderError, Resource
from apps.rendering.paths import joined
from apps.rendering.protocol import Tree
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.views import Moved

KUSTOMIZE_GROUP = "kustomize.toolkit.fluxcd.io"
HELM_GROUP = "helm.toolkit.fluxcd.io"
SOURCE_GROUP = "source.toolkit.fluxcd.io"
GENERATOR_GROUP = "source.extensions.fluxcd.io"
OWN_NAME = "flux-system"
"""The name that ``flux bootstrap`` gives to the repository of a cluster, and to its namespace."""
_WHAT = ("url", "ref", "include")
"""What of a ``GitRepository`` says which files it has."""


def mapping(value: Json) -> Mapping[str, Json]:
    """The value, if it is a mapping; else an empty one."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Json) -> list[Mapping[str, Json]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def is_a(resource: Resource, group: str, kind: str) -> bool:
    return (resource.id.api, resource.id.kind) == (group, kind)


class Sources:
    """Looks sources up among the resources that a cluster has."""

    def __init__(self, ignoring: Ignoring, resources: Iterable[Resource]) -> None:
        self.ignoring = ignoring
        self.found = {(each.id.kind, each.id.namespace, each.id.name): each for each in resources if _is_source(each)}

    def tree_of(self, reference: Json, namespace: str) -> Tree:
        """The files of a ``sourceRef``. Raises ``UNSUPPORTED`` for what is not in this repository."""
        named = mapping(reference)
        kind, name = text(named.get("kind")), text(named.get("name"))
        place = text(named.get("namespace")) or namespace
        if kind == "GitRepository" and self._is_this(place, name):
            return self._view(place, name)
        if kind == "ExternalArtifact":
            rules = self._rules(place, name)
            if rules:
                return Moved(self.own_tree(), rules)
        what = clean_message(f"{kind or 'source'} {place}/{name}")
        raise RenderError(
            Failure.UNSUPPORTED, f"Its source, {what}, is not this repository; nothing is fetched from elsewhere."
        )

    def own_tree(self) -> Tree:
        """What the source of the cluster itself leaves of this repository."""
        own = self._own()
        return self._view(own.id.namespace if own else "", OWN_NAME)

    def _view(self, namespace: str, name: str) -> Tree:
        named = self.found.get(("GitRepository", namespace, name)) or (self._own() if name == OWN_NAME else None)
        return self.ignoring.view(text(mapping(named.body.get("spec")).get("ignore")) if named else "")

    def _is_this(self, namespace: str, name: str) -> bool:
        """Whether its files are those of this commit: another branch of this repository is another place."""
        other, own = self.found.get(("GitRepository", namespace, name)), self._own()
        if other is None or own is None or other is own:
            return name == OWN_NAME and (other is None or other is own)
        asked, here = (mapping(each.body.get("spec")) for each in (other, own))
        return bool(asked.get("url")) and all((asked.get(key) or None) == (here.get(key) or None) for key in _WHAT)

    def _own(self) -> Resource | None:
        """Of several with its name, which anybody may give, the one in the namespace of Flux."""
        found = [each for (kind, _, name), each in self.found.items() if (kind, name) == ("GitRepository", OWN_NAME)]
        return next((each for each in found if each.id.namespace == OWN_NAME), found[0] if found else None)

    def _rules(self, namespace: str, name: str) -> tuple[tuple[str, str], ...]:
        """What the generator of an artifact copies from this repository; empty: it copies something else, too."""
        for (kind, place, _), generator in self.found.items():
            if kind != "ArtifactGenerator" or place != namespace:
                continue
            spec = mapping(generator.body.get("spec"))
            own = {
                text(each.get("alias"))
                for each in mappings(spec.get("sources"))
                if each.get("kind") == "GitRepository"
                and self._is_this(text(each.get("namespace")) or place, text(each.get("name")))
            }
            for artifact in mappings(spec.get("artifacts")):
                if artifact.get("name") == name:
                    return _copies(mappings(artifact.get("copy")), own)
        return ()


def _is_source(resource: Resource) -> bool:
    return resource.id.api in {SOURCE_GROUP, GENERATOR_GROUP}


def _copies(copies: list[Mapping[str, Json]], own: set[str]) -> tuple[tuple[str, str], ...]:
    rules = []
    for copy in copies:
        alias, _, source = text(copy.get("from")).removeprefix("@").partition("/")
        target = text(copy.get("to")).removeprefix("@artifact").strip("/")
        folder = joined("", source.removesuffix("/**"))
        if alias not in own or not source.endswith("/**") or folder is None or "*" in folder or copy.get("exclude"):
            return ()  # other patterns select single files; rather nothing than another selection
        rules.append((folder, target))
    return tuple(rules)


def group_matches(body: Mapping[str, Json], group: str, kind: str) -> bool:
    return body.get("kind") == kind and group_of(text(body.get("apiVersion"))) == group
