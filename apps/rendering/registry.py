"""The renderers there are."""

from __future__ import annotations

from collections.abc import Mapping

from apps.rendering.model import Kind
from apps.rendering.protocol import Renderer
from apps.rendering.renderers.flux import Flux
from apps.rendering.renderers.helm import Helm
from apps.rendering.renderers.kustomize import Kustomize
from apps.rendering.renderers.manifests import Manifests

_ALL: tuple[Renderer, ...] = (Manifests(), Kustomize(), Helm(), Flux())
RENDERERS: Mapping[Kind, Renderer] = {renderer.kind: renderer for renderer in _ALL}
