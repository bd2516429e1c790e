"""Notes of what is being folded, in files that outlive the process: a partition's successor reads what its predecessor died of.

A note is a few bytes mapped into memory, so writing it is a copy of those bytes, and what was written is in the file
whatever becomes of the process. (After a crash of the whole machine it may be lost: then a record just has to end a process
once more.) A note that was half written, or never, says nothing.
"""

import mmap
import os
import struct
import tempfile
import zlib
from pathlib import Path

from streams.poison import InHand

_FORM = struct.Struct("<QQQ")
_SIZE = _FORM.size + 4
_NOTHING = bytes(_SIZE)


class Note:
    """What is in hand of one partition.

    Args:
        path: The file; made if it is not there. Its folder must be.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        """Open it; what a former process left stays until something is written."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(handle).st_size != _SIZE:
                os.truncate(handle, 0)
                os.write(handle, _NOTHING)  # not a hole: on a full disk, writing to one would end the process
            self._bytes = mmap.mmap(handle, _SIZE)
        finally:
            os.close(handle)

    def read(self) -> InHand | None:
        """Return what is in hand, or was when the last process ended; None = nothing, or not known."""
        found = self._bytes[:]
        if found == _NOTHING or found[_FORM.size :] != _check(found[: _FORM.size]):
            return None
        return InHand(*_FORM.unpack_from(found))

    def write(self, in_hand: InHand) -> None:
        """Note what is in hand from now on."""
        body = _FORM.pack(*in_hand)
        self._bytes[:] = body + _check(body)

    def clear(self) -> None:
        """Note that nothing is in hand."""
        self._bytes[:] = _NOTHING

    def close(self) -> None:
        """Let go of the file; what it says stays."""
        self._bytes.close()


def _check(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "little")


def folder_of_notes(given: Path | None) -> Path:
    """Make the folder and return it: the one given, else one of this user's in the system's temporary folder.

    Raises:
        OSError: It cannot be made, or belongs to somebody else.
    """
    folder = given or Path(tempfile.gettempdir()) / f"leadkeeper-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder} may not be written")
    if given is None and folder.lstat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    return folder
