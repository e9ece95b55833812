from django.apps import AppConfig
from django.conf import settings


class WorkerConfig(AppConfig):
    name = "apps.worker"

    def ready(self) -> None:
        """With the scaled-out engine, every process sends its wake-ups; the embedded one is started by asgi."""
        if settings.PORTAL_ENGINE == "celery":
            from apps.worker.dispatching import connect

            connect()
