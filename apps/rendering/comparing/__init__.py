"""What a change does to the resources of a target: Kubernetes-like bodies compared by meaning. Pure.

``equality`` (the same value) → ``lists`` (which elements belong together) → ``fields`` (what differs, by ``shapes`` of
``kinds`` and ``rules`` of what has no effect) → ``replacing`` and ``risks`` → ``resources`` (one difference). On differences:
``classes`` (targets that change alike), ``digests`` (what an approval is bound to), ``codec`` (as JSON).
"""

from apps.rendering.comparing.applying import apply_fields
from apps.rendering.comparing.classes import Against, Deviation, TargetClass, classify
from apps.rendering.comparing.digests import difference_digest
from apps.rendering.comparing.paths import words
from apps.rendering.comparing.resources import compare
from apps.rendering.comparing.risks import risks_of
from apps.rendering.comparing.rules import RULES

__all__ = [
    "RULES",
    "Against",
    "Deviation",
    "TargetClass",
    "apply_fields",
    "classify",
    "compare",
    "difference_digest",
    "risks_of",
    "words",
]
