"""The count job on Quix Streams, run by the interpreter of .venv-bench. Imports nothing of the project.

A StreamingDataFrame with a stateful function, as in its documentation, on its RocksDB store with a changelog topic.
Tuned: state and outputs as bytes, one state access each way per event, and a producer that fills its batches.
"""

from __future__ import annotations

import argparse
from typing import Any

from quixstreams import Application, State


def count(event: dict[str, Any], state: State) -> bytes:
    """Return the new count of the event's key, as ``events:total``."""
    events, _, total = state.get_bytes(b"count", b"0:0").partition(b":")
    made = b"%d:%d" % (int(events) + 1, int(total) + event["n"])
    state.set_bytes(b"count", made)
    return made


def main() -> None:
    """Run until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bootstrap", "group", "inbox", "outputs", "state"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--no-idempotence", action="store_true")
    args = parser.parse_args()
    app = Application(
        broker_address=args.bootstrap,
        consumer_group=args.group,
        auto_offset_reset="earliest",
        state_dir=args.state,
        loglevel="WARNING",
        producer_extra_config={
            "enable.idempotence": not args.no_idempotence,
            "acks": "all",
            "linger.ms": 50,
            "batch.size": 262_144,
        },
        consumer_extra_config={"fetch.message.max.bytes": 4 << 20},
    )
    inbox = app.topic(args.inbox, key_deserializer="bytes", value_deserializer="json")
    outputs = app.topic(args.outputs, key_serializer="bytes", value_serializer="bytes")
    app.dataframe(inbox).apply(count, stateful=True).to_topic(outputs)
    app.run()


if __name__ == "__main__":
    main()
