"""The sign-in form of allauth in our words."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm


class SignIn(LoginForm):  # type: ignore[misc]
    """allauth calls a field that takes a name or an address “Login”; people do not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "Username or e-mail"
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)  # it would only repeat the label
