"""Forms of allauth in our words."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm, ResetPasswordForm
from django.conf import settings
from django.core.exceptions import ValidationError

NO_MAIL = "This portal sends no mail. Ask an administrator, who can set a new password."


class SignIn(LoginForm):  # type: ignore[misc]
    """allauth calls a field that takes a name or an address “Login”; people do not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "Username or e-mail"
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)  # it would only repeat the label


class AskForReset(ResetPasswordForm):  # type: ignore[misc]
    """Where no mail is sent it says so, before and after somebody asks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not settings.PORTAL_SENDS_MAIL:
            self.fields["email"].help_text = NO_MAIL

    def clean_email(self) -> str:
        if not settings.PORTAL_SENDS_MAIL:
            raise ValidationError(NO_MAIL)
        return str(super().clean_email())
