"""Checks of what was rendered, by tools that know the formats: manifests by the schemas of Kubernetes, templates by cfn-lint."""

from apps.rendering.checks.manifests import check_manifests, manifest_checker
from apps.rendering.checks.model import ERROR, Checked, Finding
from apps.rendering.checks.templates import check_templates

__all__ = ["ERROR", "Checked", "Finding", "check_manifests", "check_templates", "manifest_checker"]
