"""Anyone's event log -> events of `lead.events`, in the order of time.

Rows are read once and become events on a spool (a file above 64 MB); times and places stay in memory (32 bytes an
event), so a million rows need little. Then the spool is read back by time; equal times keep the order of the files.
A row that cannot be used is never fatal: it comes out as a `RejectedRow` with its line, its bytes and the remedy. So
does a part of a profile that cannot be used; the row's event goes through.
"""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import SpooledTemporaryFile

import numpy as np

from agents.logged import LoggedEvent, ReadReport
from agents.mapping import Layout
from agents.rejects import RejectedRow
from agents.rowevents import RowEvents

__all__ = ["LoggedEvent", "ReadReport", "RejectedRow", "read_events"]

SPOOL_IN_MEMORY = 64 * 2**20


def read_events(
    files: Path | Sequence[Path], mapping: Layout, report: ReadReport | None = None
) -> Iterator[LoggedEvent | RejectedRow]:
    """Rejected rows first, in the order of the files, then all events by time.

    Args:
        files: one log, or several parts of it. Groups that appear in two parts are taken once.
        mapping: how to read them.
        report: filled in while reading.

    Raises:
        MappingInvalid: a file is missing or lacks a column that the mapping uses.
    """
    report = report if report is not None else ReadReport()
    paths = [files] if isinstance(files, Path) else list(files)
    with SpooledTemporaryFile(SPOOL_IN_MEMORY) as spool:
        times, known, places, key_sizes, sizes = array("q"), array("q"), array("q"), array("i"), array("i")
        place = 0
        made = RowEvents(mapping, report)
        for nth, path in enumerate(paths):
            for event in made.file(path, nth):
                if isinstance(event, RejectedRow):
                    yield event
                    continue
                spool.write(event.key)
                spool.write(event.value)
                times.append(event.at_ms)
                known.append(event.timestamp_ms)
                places.append(place)
                key_sizes.append(len(event.key))
                sizes.append(len(event.key) + len(event.value))
                place += sizes[-1]
        report.leads = len(made.leads)
        order = np.argsort(np.frombuffer(times, np.int64), kind="stable") if times else np.zeros(0, np.int64)
        if times:
            report.first_ms, report.last_ms = times[order[0]], times[order[-1]]
        for i in order.tolist():
            spool.seek(places[i])
            data = spool.read(sizes[i])
            yield LoggedEvent(times[i], data[: key_sizes[i]], data[key_sizes[i] :], known[i])
