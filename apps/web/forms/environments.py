"""Forms of environments."""

from __future__ import annotations

from django import forms

from apps.deployments.models import EnvironmentSecret


class SetSecret(forms.Form):
    """A name and a value; the value is never filled in again."""

    name = forms.CharField(
        max_length=60,
        help_text="Letters, digits and _: steps find it as an environment variable.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    used_for = forms.ChoiceField(
        label="Used for",
        choices=[(EnvironmentSecret.Use.DEPLOY, "deployments"), (EnvironmentSecret.Use.PLAN, "plans")],
        initial=EnvironmentSecret.Use.DEPLOY,
        required=False,
        help_text="The code of a change that nobody approved yet can read what plans get: read-only credentials only.",
    )
    value = forms.CharField(
        strip=False,
        max_length=64 * 1024,
        help_text="It is kept encrypted, masked in logs, and never shown again.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_used_for(self) -> str:
        """Without it, what it always was."""
        return self.cleaned_data["used_for"] or EnvironmentSecret.Use.DEPLOY.value


class PublicPage(forms.Form):
    """What strangers may read of an environment."""

    is_on = forms.BooleanField(label="Switched on", required=False)
    slug = forms.CharField(
        label="Address",
        required=False,
        max_length=64,
        help_text="The end of /status/…/. Empty: the present one, or one that cannot be guessed.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    shows_titles = forms.BooleanField(label="Show numbers and titles of changes", required=False)
    shows_people = forms.BooleanField(label="Show who asked for a deployment", required=False)
