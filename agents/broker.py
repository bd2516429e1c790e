"""What kind of broker answers, and the settings that differ between kinds.

Apache Kafka and the embedded broker (Tansu) speak the same protocol, but not all of it and not at the same pace
(``deploy/decisions``, measured): the embedded one has no InitProducerId, holds a JoinGroup for half the session timeout
and a fetch for its whole wait. Asking once at start keeps these facts out of everybody else's settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, NoError, UnknownError, for_code
from aiokafka.protocol.transaction import InitProducerIdRequest

from schemas.errors import Unavailable

_TRANSACTION_TIMEOUT_MS = 60_000  # required by the request, unused without a transactional id


class BrokerUnreachableError(Unavailable, ConnectionError):
    """Nothing that speaks Kafka answers at the address given."""


@dataclass(frozen=True, slots=True)
class BrokerFlavour:
    """What clients have to know about a broker.

    Attributes:
        name: ``kafka`` or ``embedded``.
        idempotent: Whether it hands out producer ids, so that a producer's retries cannot double a record.
        session_timeout_s: Default session timeout of a group member. Apache Kafka refuses less than 6
            (``group.min.session.timeout.ms``); the embedded broker's joins take half of it.
        fetch_max_wait_ms: Default longest wait of a fetch. The embedded broker always waits this long, so it is kept
            short there (p50 34 ms against 514 ms with the usual 500).
    """

    name: str
    idempotent: bool
    session_timeout_s: float
    fetch_max_wait_ms: int

    @property
    def isolation(self) -> str:
        """How to read: where there are transactions, only what was committed."""
        return "read_committed" if self.idempotent else "read_uncommitted"


KAFKA = BrokerFlavour("kafka", idempotent=True, session_timeout_s=6.0, fetch_max_wait_ms=500)
EMBEDDED = BrokerFlavour("embedded", idempotent=False, session_timeout_s=4.0, fetch_max_wait_ms=40)


async def probe(bootstrap: str, timeout_s: float = 10.0) -> BrokerFlavour:
    """Ask the broker for a producer id and say which kind it is.

    Args:
        bootstrap: ``host:port[,host:port]``.
        timeout_s: Seconds to wait for an answer at most.

    Raises:
        BrokerUnreachableError: Nothing answered; names the address and the remedy.
    """
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=int(timeout_s * 1000))
    try:
        with _quiet("aiokafka"):  # a refused connection is told once, by us
            await asyncio.wait_for(client.bootstrap(), timeout_s)
    except (KafkaError, OSError, TimeoutError) as error:
        await client.close()
        raise BrokerUnreachableError(
            f"bootstrap: nothing answers as Kafka at {bootstrap} ({type(error).__name__}); start a broker or correct it"
        ) from error
    try:
        return await asyncio.wait_for(_ask_for_producer_id(client), timeout_s)
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerUnreachableError(
            f"bootstrap: the broker at {bootstrap} does not hand out producer ids ({error!r}); see its log"
        ) from error
    finally:
        await client.close()


async def _ask_for_producer_id(client: AIOKafkaClient) -> BrokerFlavour:
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS)
    while True:
        try:
            error = for_code((await client.send(client.get_random_node(), request)).error_code)
        except IncompatibleBrokerVersion:
            return EMBEDDED
        if error is NoError:
            return KAFKA
        if error is UnknownError:  # what Tansu 0.6 answers; Apache Kafka answers a named error
            return EMBEDDED
        if not error.retriable:
            raise error(f"InitProducerId: {error.__name__}")
        await asyncio.sleep(0.1)  # a broker that is still loading


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
