"""The count job on stock Faust, an agent and a Table as in its documentation: the contrast to ``count_worker.py``.

Nothing is set to make it worse: at_least_once, default acks, the changelog is Faust's own. The only additions are the
session timeout of the fault test and web and leader switched off.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import faust


def main() -> None:
    """Run until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bootstrap", "group", "inbox", "outputs", "datadir"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--session-s", type=float, required=True)
    args = parser.parse_args()
    app = faust.App(
        args.group,
        broker=f"kafka://{args.bootstrap}",
        broker_session_timeout=args.session_s,
        broker_heartbeat_interval=args.session_s / 5,
        consumer_auto_offset_reset="earliest",
        store="memory://",
        datadir=args.datadir,
        topic_partitions=args.partitions,
        topic_replication_factor=1,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    inbox = app.topic(args.inbox, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    outputs = app.topic(args.outputs, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    counts = app.Table("counts", default=list, partitions=args.partitions, key_type=str)

    @app.agent(inbox)
    async def count(stream: Any) -> None:
        async for event in stream.events():
            key = event.key.decode()
            events, total = counts[key] or (0, 0)
            events, total = events + 1, total + json.loads(event.value)["n"]
            counts[key] = [events, total]
            await outputs.send(key=event.key, value=b"%d:%d:%d" % (event.message.offset, events, total))

    app.Worker(loglevel="WARN", quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main()
