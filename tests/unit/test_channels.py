"""Channel adapters: what they put on the wire, and how they read answers. The mail server is a real one."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from pydantic import SecretStr
from yarl import URL

from agents.channels.addresses import CheckedResolver, ForbiddenAddressError, is_public
from agents.channels.email import EmailChannel, SmtpServer
from agents.channels.webhook import LONGEST_WAIT, Endpoint, WebhookChannel, classify, wait_asked
from agents.child import LOOPBACK, free_port
from agents.couriers.settings import CourierSettings, EndpointsInvalidError
from schemas.commands import Recipient
from schemas.errors import Unavailable
from schemas.units import Channel, DeliveryStatus
from streams.deliver import Answer, AnswerKind
from tests.broker.courier_world import deliver, provider

RENDERED = {"subject": "Grüße\n", "txt": "Guten Tag, Ana\n.\nEnde", "html": "<p>Guten Tag</p>"}


def smtp(port: int, **changes: object) -> EmailChannel:
    """A channel to a server on this machine."""
    return EmailChannel(SmtpServer(LOOPBACK, port, "Hearth Homes <hello@example.com>", timeout_s=2, **changes))  # type: ignore[arg-type]


def test_a_mail_arrives_as_it_was_written(tmp_path: Path) -> None:
    async def run(port: int) -> Answer:
        channel = smtp(port)
        await channel.ping()
        return await channel.send(deliver(recipient=Recipient(name="Ana Gómez", email="ana@example.com")), RENDERED)

    with provider("deploy.providers.mailbox", str(tmp_path)) as port:
        answer = asyncio.run(run(port))
    assert (answer.kind, answer.provider_id) == (AnswerKind.SENT, "<iv-1@example.com>")
    mail = message_from_bytes((tmp_path / "000001.eml").read_bytes(), policy=policy.default)
    assert (mail["Subject"], mail["To"], mail["From"]) == (
        "Grüße",
        "Ana Gómez <ana@example.com>",
        "Hearth Homes <hello@example.com>",
    )
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == ["Guten Tag, Ana", ".", "Ende"]
    assert mail["List-Unsubscribe"] is None


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("later=1", AnswerKind.REFUSED_TRANSIENT, "451"),
        ("never=1", AnswerKind.REFUSED_PERMANENT, "550"),
        ("drop=1", AnswerKind.IN_DOUBT, "Disconnected"),
        ("hang=1", AnswerKind.IN_DOUBT, "Timeout"),
    ],
)
def test_answers_of_a_mail_server(tmp_path: Path, fault: str, kind: AnswerKind, says: str) -> None:
    with provider("deploy.providers.mailbox", str(tmp_path), "--fail", fault) as port:
        answer = asyncio.run(smtp(port).send(deliver(), RENDERED))
    assert answer.kind is kind
    assert says in str(answer.error)


def test_no_mail_server_is_a_refusal_and_a_ping_says_what_to_do() -> None:
    channel = smtp(free_port())
    assert asyncio.run(channel.send(deliver(), RENDERED)).kind is AnswerKind.REFUSED_TRANSIENT
    with pytest.raises(Unavailable, match="LEADKEEPER_SMTP_HOST"):
        asyncio.run(channel.ping())


@pytest.mark.parametrize(
    ("recipient", "subject", "says"),
    [
        (Recipient(), "Hi", "recipient.email is missing"),
        (Recipient(email="a@example.com\r\nBcc: b@example.com"), "Hi", "recipient.email contains a line break"),
        (Recipient(email="a@example.com", name="A\nBcc: b@example.com"), "Hi", "recipient.name contains a line break"),
        (Recipient(email="a@example.com"), "Hi\r\nBcc: b@example.com", "subject contains a line break"),
        (Recipient(email="a@example.com\x00"), "Hi", "NUL"),
        (Recipient(email="a@example.com, b@example.com"), "Hi", ""),
        (Recipient(email="not an address"), "Hi", ""),
    ],
)
def test_forged_headers_are_refused_before_anything_is_sent(recipient: Recipient, subject: str, says: str) -> None:
    answer = asyncio.run(smtp(free_port()).send(deliver(recipient=recipient), RENDERED | {"subject": subject}))
    assert answer.kind is AnswerKind.REFUSED_PERMANENT
    assert says in str(answer.error)


def test_ids_that_no_message_id_may_hold_are_hashed_and_stay_the_same() -> None:
    channel = smtp(1)
    ids = [channel.compose(deliver(id="a:b@c/d="), RENDERED)["Message-ID"] for _ in range(2)]
    assert ids[0] == ids[1]
    assert ids[0].count("@") == 1


def test_one_click_unsubscribe() -> None:
    mail = smtp(1, unsubscribe_url="https://example.com/u?x=1").compose(deliver(id="a=b"), RENDERED)
    assert mail["List-Unsubscribe"] == "<https://example.com/u?x=1&i=a%3Db>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_only_a_final_server_delivers() -> None:
    assert smtp(1).sent_status is DeliveryStatus.SENDING
    assert smtp(1, final=True).sent_status is DeliveryStatus.DELIVERED


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "255.255.255.255", "224.0.0.1",
        "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::", "192.0.2.1", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_that_a_webhook_may_not_reach(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.com/h", "https"),
        ("https://example.com:22/h", "port 22"),
        ("https://user:pw@example.com/h", "user name"),
        ("https://10.0.0.1/h", "10.0.0.1 is not"),
        ("https://[::1]/h", "::1 is not"),
        ("https://[::ffff:10.0.0.1]/h", "not a public"),
        ("http://127.0.0.1/h", "https"),
        ("/h", "absolute"),
        ("ftp://example.com/h", "https"),
        ("https://example.com/h", None),
        ("https://example.com:8443/h", None),
        ("https://8.8.8.8/h", None),
    ],
)
def test_urls(url: str, says: str | None) -> None:
    found = WebhookChannel({}).objection(URL(url))
    assert found is None if says is None else says in str(found)


def test_loopback_only_where_allowed() -> None:
    local = WebhookChannel({}, allow_loopback=True)
    assert local.objection(URL("http://127.0.0.1:8080/h")) is None
    assert local.objection(URL("http://localhost:8080/h")) is None
    assert local.objection(URL("http://10.0.0.1/h")) is not None
    assert local.objection(URL("https://10.0.0.1/h")) is not None


def test_a_name_that_leads_inside_is_refused_when_it_is_resolved() -> None:
    async def run() -> None:
        resolver = CheckedResolver(is_public)
        with pytest.raises(ForbiddenAddressError, match="not a public address"):
            await resolver.resolve("localhost", 443, socket.AF_INET)
        await resolver.close()

    asyncio.run(run())


def test_a_webhook_to_such_a_name_is_rejected_for_good() -> None:
    async def run() -> Answer:
        secret = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        channel = WebhookChannel({"acme": Endpoint("https://localhost/h", secret)})
        try:
            return await channel.send(deliver(channel=Channel.WEBHOOK), {})
        finally:
            await channel.close()

    answer = asyncio.run(run())
    assert answer.kind is AnswerKind.REFUSED_PERMANENT
    assert "not a public address" in str(answer.error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, AnswerKind.SENT), (204, AnswerKind.SENT), (301, AnswerKind.REFUSED_PERMANENT),
        (302, AnswerKind.REFUSED_PERMANENT),
        (400, AnswerKind.REFUSED_PERMANENT), (401, AnswerKind.REFUSED_PERMANENT), (408, AnswerKind.REFUSED_TRANSIENT),
        (410, AnswerKind.REFUSED_PERMANENT), (429, AnswerKind.REFUSED_TRANSIENT), (500, AnswerKind.REFUSED_TRANSIENT),
        (503, AnswerKind.REFUSED_TRANSIENT),
    ],
)  # fmt: skip
def test_http_statuses(status: int, kind: AnswerKind) -> None:
    assert classify(status, None).kind is kind


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, None), ("30", timedelta(seconds=30)), ("0", timedelta(0)), ("-5", None), ("soon", None), ("", None),
        ("99999999999", LONGEST_WAIT), ("Sat, 31 Jan 2026 12:01:00 GMT", timedelta(minutes=1)),
        ("Sat, 31 Jan 2026 11:00:00 GMT", timedelta(0)), ("9" * 400, LONGEST_WAIT),
    ],
)  # fmt: skip
def test_retry_after(header: str | None, wait: timedelta | None) -> None:
    assert wait_asked(header, datetime(2026, 1, 31, 12, tzinfo=UTC)) == wait


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[acme.default]\nurl = 'https://example.com'\n", "either secret or secret_file"),
        ("[acme.default]\nurl = 'https://example.com'\nsecret = 'x'\ncolour = 1\n", "colour"),
        ("[acme.other]\nurl = 'https://example.com'\nsecret = 'x'\n", "'default'"),
        ("[acme.default\n", "acme"),
    ],
)
def test_a_wrong_endpoints_file_is_told(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "endpoints.toml"
    file.write_text(text)
    with pytest.raises(EndpointsInvalidError, match=r"LEADKEEPER_WEBHOOK_ENDPOINTS: endpoints\.toml") as raised:
        CourierSettings(webhook_endpoints=file).endpoints()
    assert says in str(raised.value) or says == "acme"
