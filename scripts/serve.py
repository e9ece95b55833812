"""Serve the portal with its demo organisation: migrate, tell the demo story once, listen.

All of it happens in one process, because importing Django three times is most of the
time of a second start. HTTP, WebSocket and the embedded engine are one ASGI application.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
from pathlib import Path
from typing import IO, NoReturn

from data_dir import ROOT, data_dir, hold, is_cut_off, is_served, remove_demo

HOST = os.environ.get("HOST") or "127.0.0.1"
PORT = os.environ.get("PORT") or "8000"


def stop(message: str) -> NoReturn:
    sys.exit(f"\nmake run: {message}\n")


def require_free_port() -> int:
    """The port as a number, or an end with a sentence when it cannot be listened on."""
    if not PORT.isdigit() or not 0 < int(PORT) < 2**16:
        stop(f"PORT must be a number between 1 and 65535, and it is {PORT!r}.")
    family = socket.AF_INET6 if ":" in HOST else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, int(PORT)))
        except OSError as problem:
            stop(
                f"cannot listen on {HOST}:{PORT} ({problem.strerror}). Is another portal running?\n"
                "Stop it, or choose another place: make run PORT=8001 PORTAL_DATA_DIR=var-2"
            )
    return int(PORT)


def require_services() -> None:
    """Ask the database server and Redis, where they are set, once and with a short patience: a sentence, not a hang."""
    from django.conf import settings

    if settings.DATABASE_URL.startswith("postgres"):
        import psycopg

        try:
            psycopg.connect(settings.DATABASE_URL, connect_timeout=5).close()
        except psycopg.Error as problem:
            stop(f"the database that DATABASE_URL names does not let us in.\n{problem}")
    if settings.REDIS_URL:
        import redis

        try:
            redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5, socket_timeout=5).ping()
        except (redis.RedisError, ValueError) as problem:
            stop(f"the Redis that REDIS_URL names does not answer.\n{problem}")


def tell_anew_what_was_cut_off() -> None:
    """A first start that was stopped in the middle of the story has served nobody: begin again."""
    is_elsewhere = os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE")  # its rows know what is here
    if not is_elsewhere and is_cut_off(data_dir()) and not is_served(data_dir()):
        print("The first start was interrupted before the demo organisation was ready: beginning again.")
        remove_demo(data_dir())


def prepare_database() -> None:
    """Bring the tables up to date and tell the demo story if there is none yet; destroys nothing."""
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.db import OperationalError, connections

    require_services()
    django.setup()
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except OperationalError as problem:
        stop(f"the database cannot be used: {problem}. Is PORTAL_DATA_DIR ({settings.PORTAL_DATA_DIR}) writable?")
    call_command("demo", "--if-empty")
    call_command("demo", "--guard")
    call_command("demo", "--sign-in")
    connections.close_all()  # the server opens its own: none may be carried into its threads


def prepare(place: Path) -> IO[str] | None:
    """Make the data ready, one process at a time; the answer is the lock that says that it is served."""
    try:
        starting = hold(place, "start.lock", fcntl.LOCK_EX)
    except OSError as problem:
        stop(f"PORTAL_DATA_DIR: {place} cannot be made or written: {problem.strerror}.")
    with starting or contextlib.nullcontext():
        tell_anew_what_was_cut_off()
        prepare_database()
        return hold(place, "serve.lock", fcntl.LOCK_SH)


def main() -> None:
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gitops_portal.settings")
    os.environ.setdefault(
        "PORTAL_STEPS_UNFENCED", "1"
    )  # the demo's own steps, on one's own machine, where none can be shut in
    os.environ["HOST"], os.environ["PORT"] = HOST, PORT  # the settings make PORTAL_URL of these
    port = require_free_port()
    serving = prepare(data_dir())
    shown = f"[{HOST}]" if ":" in HOST else HOST
    print(f"\nGitOps Portal: http://{shown}:{port}/   (Ctrl+C stops it; data stays in PORTAL_DATA_DIR)\n", flush=True)

    import uvicorn

    uvicorn.run(
        "gitops_portal.asgi:application",
        host=HOST,
        port=port,
        log_level=os.environ.get("UVICORN_LOG_LEVEL", "warning"),
        lifespan="auto",
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,  # longer than clients and proxies keep a connection: they close it, and never meet one that is closing
        server_header=False,
    )
    if serving is not None:
        serving.close()


if __name__ == "__main__":
    main()
