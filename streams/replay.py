"""The fold over a list, without a broker: what law tests fold with, and the oracle of the fault tests.

It is the fold that the lead agent runs, so the same log leads to the same outputs and the same state, to the byte.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from streams.env import Env
from streams.lead import Message, Out, Partition, fold


@dataclass
class Replayed:
    """All outputs in order, and what would stand on the changelog: `state[partition][key]`."""

    outputs: list[Out] = field(default_factory=list)
    state: dict[int, dict[bytes, bytes]] = field(default_factory=dict)


def replay(log: Mapping[int, Iterable[Message]], env: Env, round_size: int = 1000) -> Replayed:
    """Fold a whole log, partition by partition, in rounds of `round_size` messages."""
    result = Replayed()
    for number, messages in log.items():
        partition, state = Partition(number), result.state.setdefault(number, {})
        for chunk in _chunks(messages, round_size):
            result.outputs.extend(fold(partition, chunk, env).outputs)
            leads, last = partition.changes()
            for key, value in (*leads, *last):
                if value is None:
                    state.pop(key, None)
                else:
                    state[key] = value
    return result


def _chunks(messages: Iterable[Message], size: int) -> Iterator[Sequence[Message]]:
    iterator = iter(messages)
    while chunk := list(islice(iterator, size)):
        yield chunk
