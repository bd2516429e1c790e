"""Finds the record that ends the process which folds it, with one note a partition and round; `streams.poison` has the rule.

Between rounds nothing is in hand. What is when a process starts was being folded when another one ended: it is taken in pieces,
each of them a round of its own, written before the next is begun, so that a record that was found is never looked for again.
"""

import logging
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from aiokafka import TopicPartition

from agents.notes import Note, folder_of_notes
from agents.rounds import Fetched
from agents.safety import ExitCode, die
from agents.settings import LeadSettings
from streams.poison import InHand, crashed, is_poison, pieces

logger = logging.getLogger(__name__)
_OFFSET = attrgetter("offset")

Batches = dict[TopicPartition, list[Fetched]]


class Part(NamedTuple):
    """What is folded and written at a time. `poison`: one record that is not to be folded."""

    batches: Batches
    crashes: int = 0
    poison: bool = False


class Suspects:
    """What of the owned partitions was in hand when a process ended.

    Args:
        folder: Where the notes are.
        limit: Crashes after which a record is condemned.
        base: What is added to an offset: the log's epoch.
    """

    def __init__(self, folder: Path, limit: int, base: int) -> None:
        """Nothing is owned yet."""
        self._folder, self._limit, self._base = folder, limit, base
        self._notes: dict[TopicPartition, Note] = {}
        self._suspected: dict[TopicPartition, InHand] = {}

    def own(self, applied: Mapping[TopicPartition, int]) -> None:
        """Read the notes of partitions that are new here; keep those of the others.

        Args:
            applied: Up to which offset (with the epoch) each partition now owned is done: nothing of that is suspect.
        """
        for tp in self._notes.keys() - applied.keys():
            self._notes.pop(tp).close()
            self._suspected.pop(tp, None)
        for tp, done in applied.items():
            if tp not in self._notes:
                note = self._notes[tp] = Note(self._folder / f"{tp.topic}-{tp.partition}")
                if (left := note.read()) is not None:
                    self._suspect(tp, crashed(left))
            if (suspect := self._suspected.get(tp)) is not None and suspect.end <= done + 1:
                self._clear(tp)

    def _suspect(self, tp: TopicPartition, suspect: InHand) -> None:
        """The note stays as it was: if this process ends before it folds any of that, no more is to be counted."""
        self._suspected[tp] = suspect
        begin, end = suspect.begin - self._base, suspect.end - self._base
        logger.warning(
            "%s[%d]: a process ended while it folded offsets %d..%d, which makes %d; they are taken in smaller pieces",
            *tp, begin, end - 1, suspect.crashes,
        )  # fmt: skip

    def _clear(self, tp: TopicPartition) -> None:
        self._suspected.pop(tp, None)
        self._notes[tp].clear()

    def parts(self, batches: Batches) -> Iterator[Part]:
        """Cut a round: what nobody died of first and together, which is usually all; then each suspect piece by itself."""
        suspected = self._suspected.keys() & batches.keys()
        if not suspected:
            yield Part(batches)
            return
        if sound := {tp: batch for tp, batch in batches.items() if tp not in suspected}:
            yield Part(sound)
        for tp in sorted(suspected):
            batch, suspect = batches[tp], self._suspected[tp]
            begin, end = (self._base + offset for offset in (batch[0].offset, batch[-1].offset + 1))
            for piece in pieces(begin, end, suspect, self._limit):
                low, high = (bisect_left(batch, at - self._base, key=_OFFSET) for at in (piece.begin, piece.end))
                if low < high:
                    poison = is_poison(piece, self._limit)
                    if poison:
                        logger.critical(
                            "%s[%d]: the record at offset %d has ended %d processes and is dead-lettered (reason crash)",
                            *tp, piece.begin - self._base, piece.crashes,
                        )  # fmt: skip
                    yield Part({tp: batch[low:high]}, piece.crashes, poison)
                if suspect.end <= piece.end:
                    self._clear(tp)

    def begin(self, part: Part) -> None:
        """Note what is about to be folded."""
        base = self._base
        for tp, batch in part.batches.items():
            self._notes[tp].write(InHand(base + batch[0].offset, base + batch[-1].offset + 1, part.crashes))

    def end(self, part: Part) -> None:
        """Note that it is folded. A condemned record stays noted until it is written: `parts` then clears it."""
        if not part.poison:
            for tp in part.batches:
                self._notes[tp].clear()

    def close(self) -> None:
        """Let go of the files."""
        for note in self._notes.values():
            note.close()


def suspects_of(settings: LeadSettings, base: int) -> Suspects:
    """Make one from the settings; ends the process when there is no folder for the notes."""
    try:
        return Suspects(folder_of_notes(settings.notes), settings.crash_limit, base)
    except OSError as error:
        die(ExitCode.CONFIG, f"LEADKEEPER_NOTES: {error}; name a folder that this user may write")
