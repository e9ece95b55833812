"""A Flux cluster: what its folder names is built part by part, as its controllers would, from this repository alone.

Parts that can not be built here (a chart on another server, another repository) say so and keep nothing else from being
shown; their own objects are resources as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from apps.rendering import flux_inputs, flux_kustomizations, flux_releases, kubernetes, options
from apps.rendering.flux_ignoring import Ignoring
from apps.rendering.flux_sources import KUSTOMIZE_GROUP, Sources, is_a, mapping, mappings, text
from apps.rendering.identity import identity_of
from apps.rendering.model import Failure, Kind, Part, Rendered, RenderError, Resource, ResourceId, ToolIdentity
from apps.rendering.paths import as_folder, inside, joined, listed
from apps.rendering.protocol import Target, Tree
from apps.rendering.renderers import kustomize
from apps.rendering.toolbox import Toolbox
from apps.rendering.views import Moved

_MOST_PARTS = 300


class Flux:
    """Options: ``path``, the folder of the cluster; ``kubeVersion`` and ``apiVersions`` for its charts."""

    kind = Kind.FLUX

    def tool(self, toolbox: Toolbox) -> ToolIdentity:
        """Of both programs; a server without helm still builds what is no chart."""
        found = [identity_of("kubectl", ("version", "--client"), toolbox)]
        try:
            found.append(identity_of("helm", ("version", "--short"), toolbox))
        except RenderError as error:
            if error.failure is not Failure.MISSING_TOOL:
                raise
        digest = hashlib.sha256("".join(each.sha256 for each in found).encode()).hexdigest()
        return ToolIdentity("+".join(each.name for each in found), "+".join(each.version for each in found), digest)

    def inputs(self, tree: Tree, target: Target) -> tuple[str, ...]:
        return flux_inputs.of_cluster(tree, options.path(target, "path"))

    def render(self, tree: Tree, target: Target, toolbox: Toolbox) -> Rendered:
        tool, root = self.tool(toolbox), options.path(target, "path")
        rules = flux_releases.Rules(options.text(target, "kubeVersion"), options.texts(target, "apiVersions"))
        ignoring = Ignoring(tree)
        cluster = _Cluster(ignoring, ignoring.view(), root, rules, toolbox)
        cluster.build_root()
        while cluster.pending:
            cluster.take_next()
        inputs = listed(set(self.inputs(tree, target)) | cluster.inputs)
        return Rendered(
            tuple(cluster.found.values()),
            tool,
            inputs,
            tuple(dict.fromkeys(cluster.warnings)),
            tuple(cluster.parts),
            has_charts=cluster.has_charts,
        )


@dataclass
class _Cluster:
    """What was found so far; ``tree`` is what Flux sees of the repository, ``pending`` are parts that wait for their turn."""

    ignoring: Ignoring
    tree: Tree
    root: str
    rules: flux_releases.Rules
    toolbox: Toolbox
    found: dict[ResourceId, Resource] = field(default_factory=dict)
    pending: dict[ResourceId, Resource] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    inputs: set[str] = field(default_factory=set)
    clashes: dict[str, str] = field(default_factory=dict)
    has_charts: bool = False

    def build_root(self) -> None:
        """The folder of the cluster itself; nothing can be shown without it."""
        built = self._built_root()
        resources = kubernetes.resources(built.placed)
        own = Sources(self.ignoring, resources).own_tree()
        if own is not self.tree:  # the source that the folder brings leaves out more than its files say
            self.tree = own
            built = self._built_root()
            resources = kubernetes.resources(built.placed)
        self.parts.append(Part(as_folder(self.root)))
        self.warnings += self.ignoring.warnings
        self._keep(resources, self.tree, built.inputs, built.warnings, as_folder(self.root))

    def _built_root(self) -> kustomize.Built:
        if next(iter(self.tree.entries(self.root)), None) is None:
            text_ = f"There is no folder {as_folder(self.root)}.{self.ignoring.hint}"
            raise RenderError(Failure.MISSING_INPUT, text_, path=self.root)
        view = flux_kustomizations.prepared(self.tree, self.root, {})
        return kustomize.build(view, self.root, self.toolbox, anywhere=True)

    def take_next(self) -> None:
        """Build the first part of which everything that it depends on was built."""
        part = next((each for each in self.pending.values() if not self._waits(each)), None)
        if part is None:
            part = next(iter(self.pending.values()))
            self.warnings.append(f"{part.id} and others depend on each other; Flux would wait for ever.")
        del self.pending[part.id]
        if len(self.parts) >= _MOST_PARTS:
            self.parts.append(
                Part(str(part.id), f"There are more than {_MOST_PARTS} parts; this one was not rendered.")
            )
            return
        try:
            is_part = self._build(part)
        except RenderError as error:
            hint = self.ignoring.hint if error.failure is Failure.MISSING_INPUT else ""
            self.parts.append(Part(str(part.id), f"{error.message}{hint}"))
            return
        if is_part:
            self.parts.append(Part(str(part.id), self.clashes.get(str(part.id), "")))

    def _waits(self, part: Resource) -> bool:
        needed = mappings(mapping(part.body.get("spec")).get("dependsOn"))
        names = {
            (part.id.kind, text(each.get("namespace")) or part.id.namespace, text(each.get("name"))) for each in needed
        }
        return any((each.kind, each.namespace, each.name) in names for each in self.pending if each != part.id)

    def _build(self, part: Resource) -> bool:
        if mapping(part.body.get("spec")).get("suspend") is True:
            self.warnings.append(f"{part.id} is suspended: Flux does not apply it until it is resumed.")
        if flux_releases.is_release(part):
            sources = Sources(self.ignoring, self.found.values())
            done = flux_releases.render(part, self.found.values(), sources, self.rules, self.toolbox)
            self.has_charts = True
            self._keep(done.resources, done.tree, done.inputs, done.warnings, str(part.id))
            return True
        return self._build_kustomization(part)

    def _build_kustomization(self, part: Resource) -> bool:
        spec = mapping(part.body.get("spec"))
        tree = Sources(self.ignoring, self.found.values()).tree_of(spec.get("sourceRef"), part.id.namespace)
        folder = joined("", text(spec.get("path")).removeprefix("/"))
        if folder is None:
            raise RenderError(Failure.REFUSED, "Its path leads out of the repository.")
        if tree is self.tree and folder == self.root:
            return False  # the cluster that keeps itself up to date: it was built first
        if next(iter(tree.entries(folder)), None) is None:
            raise RenderError(
                Failure.MISSING_INPUT, f"Its path {as_folder(folder)} is not in the repository.", path=folder
            )
        chosen = flux_kustomizations.variables(spec, part.id.namespace, self.found.values())
        view = flux_kustomizations.prepared(tree, folder, spec)
        rewrite = flux_kustomizations.rewriter(chosen[0]) if chosen else None
        built = kustomize.build(view, folder, self.toolbox, anywhere=True, rewrite=rewrite)
        found = kubernetes.resources(built.placed)
        found = tuple(replace(each, body=flux_kustomizations.with_common_metadata(each.body, spec)) for each in found)
        if chosen and chosen[0].left:
            names = ", ".join(sorted(chosen[0].left))
            self.warnings.append(
                f"{part.id}: {names} may come from {', '.join(chosen[1])}, not known here; they are left as written."
            )
        if spec.get("decryption"):
            self.warnings.append(f"{part.id}: encrypted values are shown as they are in the repository.")
        self._keep(found, tree, built.inputs, built.warnings, str(part.id))
        return True

    def _keep(
        self, resources: Iterable[Resource], tree: Tree, inputs: Iterable[str], warnings: Iterable[str], part: str
    ) -> None:
        for each in resources:
            resource = (
                replace(each, source=replace(each.source, path=_origin(tree, each.source.path)))
                if each.source
                else each
            )
            twin = self.found.get(resource.id)
            if twin is not None:
                self.warnings.append(
                    f"{resource.id} of {part} is in another part, too; what was applied last would win."
                )
                if twin.body != resource.body:
                    self.clashes[part] = (
                        f"Its {resource.id} differs from the one of another part: nobody can say which stays."
                    )
                continue
            self.found[resource.id] = resource
            if flux_releases.is_release(resource) or is_a(resource, KUSTOMIZE_GROUP, "Kustomization"):
                self.pending[resource.id] = resource
        self.inputs |= {_origin(tree, path) for path in inputs}
        self.warnings += [f"{part}: {warning}" for warning in warnings]


def _origin(tree: Tree, path: str) -> str:
    if not isinstance(tree, Moved):
        return path
    try:
        return tree.origin(inside(path)) + ("/" if path.endswith("/") else "")
    except KeyError:
        return path
