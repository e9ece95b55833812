"""The composition root. With Redis, the Celery application exists before any task is sent."""

import os

if os.environ.get("REDIS_URL") or os.environ.get("REDIS_URL_FILE"):
    from gitops_portal.celery import app as celery_app

    __all__ = ["celery_app"]
