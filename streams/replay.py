"""The fold over a list, without a broker: what law tests fold with, and the oracle of the fault tests.

It is the fold that the lead agent runs, so the same log leads to the same outputs and the same state, to the byte.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from streams.env import Env
from streams.lead import Message, Out, Partition, fold
from streams.poison import condemn


@dataclass
class Replayed:
    """All outputs in order, and what would stand on the changelog: `state[partition][key]`."""

    outputs: list[Out] = field(default_factory=list)
    state: dict[int, dict[bytes, bytes]] = field(default_factory=dict)


def replay(
    log: Mapping[int, Iterable[Message]],
    env: Env,
    round_size: int = 1000,
    condemned: Mapping[int, Collection[int]] | None = None,
) -> Replayed:
    """Fold a whole log, partition by partition, in rounds of `round_size` messages.

    `condemned[partition]`: offsets that were dead-lettered because folding them ended processes, which is nothing that a
    log alone can tell; the dead letters with the reason `crash` name them.
    """
    result = Replayed()
    for number, messages in log.items():
        partition, state = Partition(number), result.state.setdefault(number, {})
        bad = (condemned or {}).get(number, ())
        for chunk in _chunks(messages, round_size, bad):
            poison = chunk[0].offset in bad
            result.outputs.extend((condemn(partition, chunk[0]) if poison else fold(partition, chunk, env)).outputs)
            leads, last = partition.changes()
            for key, value in (*leads, *last):
                if value is None:
                    state.pop(key, None)
                else:
                    state[key] = value
    return result


def _chunks(messages: Iterable[Message], size: int, alone: Collection[int]) -> Iterator[Sequence[Message]]:
    chunk: list[Message] = []
    for message in messages:
        if chunk and (len(chunk) == size or message.offset in alone or chunk[-1].offset in alone):
            yield chunk
            chunk = []
        chunk.append(message)
    if chunk:
        yield chunk
