"""What is below ``/api/v1/`` and is no address of the API."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from apps.api.problems import problem


@csrf_exempt
def unknown_address(request: HttpRequest) -> JsonResponse:
    """404 as a problem document, for every method and everybody."""
    hint = "" if request.path.endswith("/") else " Addresses of the API end with a slash."
    found = problem(404, "not_found", f"There is no such address.{hint} GET /api/v1/schema/ lists all.")
    return JsonResponse(found.data, status=404, content_type="application/problem+json")
