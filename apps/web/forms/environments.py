"""Forms of environments."""

from __future__ import annotations

from django import forms


class SetSecret(forms.Form):
    """A name and a value; the value is never filled in again."""

    name = forms.CharField(
        max_length=60,
        help_text="Letters, digits and _: steps find it as an environment variable.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    value = forms.CharField(
        strip=False,
        max_length=64 * 1024,
        help_text="It is kept encrypted, masked in logs, and never shown again.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
