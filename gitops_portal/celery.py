"""The Celery application of the scaled-out engine: ``celery -A gitops_portal worker --pool=threads``.

Workers must use threads: a forked pool would share open database connections. Another one is refused at the start.
"""

import os
from typing import Any

from celery import Celery
from celery.concurrency import get_implementation
from celery.signals import worker_init, worker_ready, worker_shutdown
from kombu.transport.redis import Channel, QoS

from apps.worker.connections import have_a_connection_for_each
from gitops_portal import broker, env

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gitops_portal.settings")

app = Celery("gitops_portal")
app.conf.update(
    **broker.connection(env.text("REDIS_URL")),
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_pool="threads",
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
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


class ForgivingQoS(QoS):
    """Kombu's bookkeeping of what was not acknowledged yet, over a connection that may be gone.

    A worker whose Redis died would die, too: of acknowledging, or giving back, through the connection that it lost (Kombu 5.7
    then asks ``None`` for its address). Neither is needed: the sweeper sends again whatever is still due.
    """

    def ack(self, delivery_tag: Any) -> None:
        if not self.channel.closed:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        if not self.channel.closed:
            super().reject(delivery_tag, requeue=requeue)  # type: ignore[no-untyped-call]


Channel.QoS = ForgivingQoS
Channel.do_restore = False
POOLS = frozenset({"celery.concurrency.thread", "celery.concurrency.solo"})
"""Modules of the pools that stay in one process. ``--pool=prefork`` is Celery's default, in whose place the setting above counts."""


@worker_init.connect  # type: ignore[untyped-decorator]
def refuse_forks(sender: Any, **_facts: object) -> None:
    """RELIABILITY §3.6, K22: ``sender`` is the worker before it makes its pool; SystemExit says why and what next."""
    pool = get_implementation(sender.pool_cls)
    if pool.__module__ not in POOLS:
        raise SystemExit(
            f"This worker was asked to work in {pool.__module__}, which would share open database connections between "
            "processes. Start it with --pool=threads (docs/scaling-out.md)."
        )


@worker_init.connect  # type: ignore[untyped-decorator]
def have_a_connection_for_every_thread(sender: Any, **_facts: object) -> None:
    """Nothing is connected yet."""
    have_a_connection_for_each(int(sender.concurrency or 1))


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
