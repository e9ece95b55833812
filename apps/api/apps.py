from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "apps.api"

    def ready(self) -> None:
        """Make the security schemes known to the schema generator."""
        from apps.api import schema  # noqa: F401
