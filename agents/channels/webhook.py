"""Webhooks signed after Standard Webhooks 1.0: the command as JSON, posted to the tenant's endpoint.

The receiver recognises a repetition by `webhook-id`, the intervention's id, so a doubtful call may be repeated.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
from pydantic import SecretStr
from standardwebhooks import Webhook
from yarl import URL

from agents.channels.addresses import CheckedResolver, ForbiddenAddressError, is_loopback, is_public, literal
from agents.channels.base import Rendered, refused
from agents.channels.parts import PARTS
from agents.couriers.clock import utc_now
from schemas.commands import DeliverIntervention, Variable
from schemas.units import Channel, DeliveryStatus
from streams.deliver import Answer, AnswerKind

TIMEOUT_S = 15.0
CONNECT_S = 5.0
MAX_ANSWER = 65_536
PORTS = frozenset({443, 8443})
TOO_MANY, GONE, TIMEOUT, TOO_EARLY = 429, 410, 408, 425
LONGEST_WAIT = timedelta(days=3)
"""Longest Retry-After that is taken at its word."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a tenant wants its webhooks.

    Attributes:
        url: https, on port 443 or 8443, on a public address.
        secret: `whsec_` and base64, as in Standard Webhooks.
    """

    url: str
    secret: SecretStr


class WebhookChannel:
    """Posts commands to the endpoint of their tenant.

    Args:
        endpoints: By tenant.
        allow_loopback: Whether http and any port are fine on this machine (try-out, tests).
    """

    name = Channel.WEBHOOK
    parts = PARTS[Channel.WEBHOOK]
    sent_status = DeliveryStatus.DELIVERED

    def __init__(self, endpoints: Mapping[str, Endpoint], *, allow_loopback: bool = False) -> None:
        """Keep the endpoints; the session is opened at the first call."""
        self._endpoints = endpoints
        self._allow_loopback = allow_loopback
        self._session: aiohttp.ClientSession | None = None

    def variables(self, command: DeliverIntervention) -> dict[str, Variable]:  # noqa: ARG002 - part of the protocol
        """Nothing to add."""
        return {}

    async def send(self, command: DeliverIntervention, rendered: Rendered) -> Answer:  # noqa: ARG002 - sends JSON instead
        """Post one command. Redirects are failures, 410 is final, 429 and 5xx may pass."""
        endpoint = self._endpoints.get(command.tenant)
        if endpoint is None:
            return refused(f"no endpoint {command.tenant}.default; add it to the endpoints file")
        url = URL(endpoint.url)
        if (wrong := self.objection(url)) is not None:
            return refused(f"endpoint {command.tenant}.default: {wrong}")
        body, headers = _signed(command, endpoint)
        try:
            async with self._open().post(url, data=body, headers=headers, allow_redirects=False) as response:
                await response.content.read(MAX_ANSWER)
                return classify(response.status, response.headers.get("Retry-After"))
        except ForbiddenAddressError as error:
            return refused(f"endpoint {command.tenant}.default: {error}")
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, ForbiddenAddressError):
                return refused(f"endpoint {command.tenant}.default: {error.os_error}")
            return _failed(AnswerKind.REFUSED_TRANSIENT, error)
        except aiohttp.ConnectionTimeoutError as error:
            return _failed(AnswerKind.REFUSED_TRANSIENT, error)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            return _failed(AnswerKind.IN_DOUBT, error)

    async def ping(self) -> None:
        """Nothing to ask: each endpoint is another server."""

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def objection(self, url: URL) -> str | None:
        """Why a URL may not be called, or None. Names are checked again when they are resolved."""
        if not url.is_absolute() or url.host is None:
            return "is not an absolute URL"
        address = literal(url.host)
        local = self._allow_loopback and (url.host == "localhost" or (address is not None and is_loopback(address)))
        if local and url.scheme in ("http", "https"):
            return None
        if url.scheme != "https":
            return "must be https"
        if url.port not in PORTS:
            return f"port {url.port} is not one of {sorted(PORTS)}"
        if url.user is not None or url.password is not None:
            return "must not carry a user name or password"
        if address is not None and not is_public(address):
            return f"{address} is not a public address"
        return None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=CheckedResolver(self._may_reach), use_dns_cache=False, force_close=True
            )
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=CONNECT_S)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)
        return self._session

    def _may_reach(self, address: str) -> bool:
        return is_public(address) or (self._allow_loopback and is_loopback(address))


def classify(status: int, retry_after: str | None) -> Answer:
    """What an HTTP status means: 2xx sent; 408, 425, 429 and 5xx may pass; everything else, 3xx included, is final."""
    told = Answer(AnswerKind.SENT, provider="webhook", provider_id=str(status))
    if 200 <= status < 300:
        return told
    error = "410: the endpoint is gone; remove it from the endpoints file" if status == GONE else f"HTTP {status}"
    if status in (TOO_MANY, TIMEOUT, TOO_EARLY) or status >= 500:
        return Answer(AnswerKind.REFUSED_TRANSIENT, "webhook", str(status), error, wait_asked(retry_after, utc_now()))
    return Answer(AnswerKind.REFUSED_PERMANENT, "webhook", str(status), error)


def wait_asked(retry_after: str | None, now: datetime) -> timedelta | None:
    """Read a Retry-After header: seconds or a date (RFC 9110, section 10.2.3); None for none and for nonsense."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    try:
        if text.isascii() and text.isdigit():
            return timedelta(seconds=min(int(text), LONGEST_WAIT.total_seconds()))
        return min(max(parsedate_to_datetime(text).astimezone(UTC) - now, timedelta(0)), LONGEST_WAIT)
    except (ValueError, OverflowError):
        return None


def _signed(command: DeliverIntervention, endpoint: Endpoint) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(
        {
            "type": "intervention.requested",
            "timestamp": command.at.isoformat(),
            "data": command.model_dump(mode="json"),
        },
        separators=(",", ":"),
    )
    # The signature's time is the time of the call, also in a replay: receivers refuse old ones.
    now = utc_now().replace(microsecond=0)
    headers = {
        "content-type": "application/json",
        "user-agent": "leadkeeper",
        "webhook-id": command.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(endpoint.secret.get_secret_value()).sign(command.id, now, body),
    }
    return body.encode(), headers


def _failed(kind: AnswerKind, error: BaseException) -> Answer:
    return Answer(kind, provider="webhook", error=f"{type(error).__name__}: {error}")
