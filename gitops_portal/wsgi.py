"""WSGI entry point, for checks and tools; the portal itself is served by ASGI."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gitops_portal.settings")
application = get_wsgi_application()
