"""How forms become HTML everywhere: label, help and error tied to their control."""

from __future__ import annotations

from django import forms
from django.forms.boundfield import BoundField
from django.forms.renderers import TemplatesSetting
from django.utils.safestring import SafeString

_CLASSES: tuple[tuple[type[forms.Widget], str], ...] = (
    (forms.CheckboxSelectMultiple, "form-check-input"),
    (forms.RadioSelect, "form-check-input"),
    (forms.CheckboxInput, "form-check-input"),
    (forms.Select, "form-select"),
)


class PortalRenderer(TemplatesSetting):
    """Takes the portal's own templates for forms and fields."""

    form_template_name = "components/form.html"
    field_template_name = "components/field.html"


def control_class(widget: forms.Widget) -> str:
    """The class that gives this kind of control its look."""
    return next((name for kind, name in _CLASSES if isinstance(widget, kind)), "form-control")


def control(bound: BoundField) -> SafeString:
    """The control of a field with its class; Django adds ids, ``aria-describedby`` and ``aria-invalid``."""
    widget = bound.field.widget
    own = str(widget.attrs.get("class", ""))
    return bound.as_widget(attrs={"class": f"{control_class(widget)} {own}".strip()})


def kind_of(bound: BoundField) -> str:
    """How label and control are laid out: ``check``, ``group`` (several inputs) or ``line``."""
    if isinstance(bound.field.widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
        return "group"
    return "check" if isinstance(bound.field.widget, forms.CheckboxInput) else "line"
