"""The Celery application of the scaled-out engine: ``celery -A gitops_portal worker --pool=threads``.

Workers must use ``--pool=threads``: a forked pool would share open database connections.
"""

import os

from celery import Celery
from celery.signals import worker_ready, worker_shutdown

from gitops_portal import env

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gitops_portal.settings")

app = Celery("gitops_portal")
app.conf.update(
    broker_url=env.text("REDIS_URL"),
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_pool="threads",
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    # Redis gives a message back only after this time; leases make an early repeat harmless.
    # A sender does not try again: the sweeper does. (A worker that lost the broker has its own, endless retries.)
    broker_transport_options={
        "visibility_timeout": 60,
        "unacked_restore_interval": 5,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "max_retries": 0,
    },
)
app.autodiscover_tasks(["apps.worker"])


@worker_ready.connect  # type: ignore[untyped-decorator]
def say_that_work_is_taken(**_facts: object) -> None:
    """A worker has no server of its own; the portal's apps are loaded by now."""
    from apps.worker.signals import engine_process_started

    engine_process_started.send(sender=Celery)


@worker_shutdown.connect  # type: ignore[untyped-decorator]
def stay_for_what_runs_here(**_facts: object) -> None:
    """It takes nothing any more by now."""
    from apps.deployments.dispatchers.staying import stay_for_steps

    stay_for_steps()
