"""A courier's reader of `suppressions`: all partitions, from the beginning, and on and on; see `streams.suppression`."""

import logging

from agents.announced import Announced
from agents.safety import ExitCode, die
from agents.topics import partitions_of
from agents.writer import Writer
from schemas import topics
from schemas.errors import AddressKeyUnknown, Unavailable
from streams.suppression import SuppressedAddresses

logger = logging.getLogger(__name__)


class Suppressions:
    """Follows the topic; `addresses` answers.

    Args:
        bootstrap: `host:port[,host:port]`.
        prefix: Of the topics.
        keys: Secrets with which addresses were hashed.
    """

    def __init__(self, bootstrap: str, prefix: str, keys: list[bytes]) -> None:
        """Nothing is read yet."""
        self._bootstrap, self._topic = bootstrap, prefix + topics.SUPPRESSIONS.name
        self.addresses = SuppressedAddresses(keys)

    async def start(self, writer: Writer) -> None:
        """Begin to read; the writer is for marks.

        Raises:
            Unavailable: The topic does not exist.
        """
        partitions = (await partitions_of(self._bootstrap, [self._topic]))[self._topic]
        if not partitions:
            raise Unavailable(f"topic {self._topic} does not exist: `leadkeeper topics create`")
        self._reader = Announced(self._bootstrap, self._topic, partitions, writer, self._take)
        await self._reader.start()

    async def stop(self) -> None:
        """Read no more."""
        await self._reader.stop()

    async def catch_up(self) -> None:
        """Return when everything that was said before this call is known.

        Raises:
            TimeoutError: The broker does not bring it.
        """
        await self._reader.catch_up()

    async def _take(self, key: bytes, value: bytes | None) -> None:
        """Nobody is written to while it is not known to whom one may not write."""
        try:
            self.addresses.take(key, value)
        except AddressKeyUnknown as error:
            die(ExitCode.CONFIG, str(error))
        except ValueError:
            logger.exception("%s: a record that is none of ours; only the lead agent writes there", self._topic)
