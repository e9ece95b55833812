from django.apps import AppConfig
from django.conf import settings


class CoreConfig(AppConfig):
    name = "apps.core"

    def ready(self) -> None:
        from apps.core.failpoints import arm

        arm(settings.PORTAL_FAILPOINT)
