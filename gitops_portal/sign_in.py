"""How people sign in: settings of allauth and of the OpenID Connect provider."""

FORM_ACTION_ORIGINS: list[str] = []
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/queue/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"
