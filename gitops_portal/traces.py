"""Whether traces are sent: by the standard variables of OpenTelemetry, and only where its packages are installed."""

from __future__ import annotations

from importlib.util import find_spec

from gitops_portal import env

PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def are_wanted() -> bool:
    """Somebody named a collector and did not switch it off; refuses the start where that cannot be done."""
    named = env.text("OTEL_EXPORTER_OTLP_ENDPOINT") or env.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if not named or env.flag("OTEL_SDK_DISABLED") or env.text("OTEL_TRACES_EXPORTER", "otlp") == "none":
        return False
    protocol = env.text("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or env.text("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in {"", "http/protobuf"}:
        raise env.BadEnvironment(
            f"OTEL_EXPORTER_OTLP_PROTOCOL: the portal sends traces by http/protobuf, not by {protocol!r}."
        )
    if not all(_is_there(name) for name in PACKAGES):
        raise env.BadEnvironment(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and the packages that send traces are not installed: "
            "pip install -r requirements-traces.txt, or unset it."
        )
    return True


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # not even its parent
        return False
