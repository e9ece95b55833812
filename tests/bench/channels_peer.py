"""The peer of the live log: Channels' own consumers and groups over Redis, as its documentation shows them.

Served by ``uvicorn tests.bench.channels_peer:application``; ``python -m tests.bench.channels_peer LINES OUT`` sends LINES
messages to the group as fast as it takes them, and writes when each was sent. ``REDIS_URL`` says where Redis is.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings

if not settings.configured:
    layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [os.environ["REDIS_URL"]]}}
    settings.configure(CHANNEL_LAYERS={"default": layer})
GROUP = "log"


class Consumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def line(self, message: dict[str, Any]) -> None:
        await self.send(text_data=message["text"])


application = Consumer.as_asgi()


def body(seq: int) -> str:
    """The same line that the portal sends, without its HTML."""
    return json.dumps({"events": [{"seq": seq, "text": f"line {seq}: applied service-{seq} in 0.3 s"}]})


async def main(lines: int, out: Path) -> None:
    layer = RedisPubSubChannelLayer(hosts=[os.environ["REDIS_URL"]])
    sent: dict[int, float] = {}
    for seq in range(1, lines + 1):
        await layer.group_send(GROUP, {"type": "line", "text": body(seq)})
        sent[seq] = time.time()
    unfinished = out.with_suffix(".part")
    unfinished.write_text(json.dumps(sent))
    unfinished.rename(out)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
