"""E-mail over SMTP.

What a server's 250 means depends on the server. A relay has merely taken the message on: `sending`, and only a
bounce or a later event says more. A final server (the mailbox itself, LMTP) has put it where it can be read:
`delivered`.
"""

import re
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import blake2b
from typing import Literal
from urllib.parse import quote

import aiosmtplib
from pydantic import SecretStr

from agents.channels.base import Rendered, refused
from agents.channels.parts import PARTS
from schemas.commands import DeliverIntervention, Variable
from schemas.errors import Unavailable
from schemas.units import Channel, DeliveryStatus
from streams.deliver import Answer, AnswerKind

NO_PASSWORD = SecretStr("")
UNSAFE = re.compile(r"[\r\n\x00]")
ID_TEXT = re.compile(r"[A-Za-z0-9._-]+")
PERMANENT = 500
"""SMTP replies from 500 on are final, those from 400 on may pass (RFC 5321, section 4.2.1)."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where and how to hand mails over.

    Attributes:
        host: Name or address of the server.
        port: 25, 465 (tls), 587 (starttls) or any other.
        sender: The From address, with or without a name: `Hearth Homes <hello@example.com>`.
        security: `none` only on loopback or a private link.
        username: Empty for no login.
        password: Goes with the user name.
        timeout_s: Seconds to wait for each reply.
        final: Whether 250 means that the mail is in the recipient's mailbox.
        unsubscribe_url: Page that takes `?i=<intervention id>`; one-click POST goes to the same address (RFC 8058).
    """

    host: str
    port: int
    sender: str
    security: Literal["none", "starttls", "tls"] = "none"
    username: str = ""
    password: SecretStr = NO_PASSWORD
    timeout_s: float = 20.0
    final: bool = False
    unsubscribe_url: str = ""


class EmailChannel:
    """Hands each mail over on a connection of its own; one recipient a message."""

    name = Channel.EMAIL
    parts = PARTS[Channel.EMAIL]

    def __init__(self, server: SmtpServer) -> None:
        """Keep the address; nothing connects yet."""
        self._server = server
        self.sent_status = DeliveryStatus.DELIVERED if server.final else DeliveryStatus.SENDING

    def variables(self, command: DeliverIntervention) -> dict[str, Variable]:
        """`unsubscribe`: the link for this mail, or None."""
        return {"unsubscribe": self._unsubscribe(command)}

    async def send(self, command: DeliverIntervention, rendered: Rendered) -> Answer:
        """Hand one mail over.

        Refused before its content was sent, it is certainly not out; without an answer after that, nobody knows.
        """
        try:
            message = self.compose(command, rendered)
        except ValueError as error:
            return refused(str(error))
        sender, recipient = (message[header].addresses[0].addr_spec for header in ("From", "To"))
        client = self._client()
        content_sent = False
        try:
            await client.connect()
            await client.mail(sender)
            await client.rcpt(recipient)
            content_sent = True
            reply = await client.data(message.as_bytes())
        except aiosmtplib.SMTPResponseException as error:
            kind = AnswerKind.REFUSED_PERMANENT if error.code >= PERMANENT else AnswerKind.REFUSED_TRANSIENT
            return Answer(kind, provider="smtp", error=f"{error.code} {error.message}")
        except (aiosmtplib.SMTPException, OSError) as error:
            kind = AnswerKind.IN_DOUBT if content_sent else AnswerKind.REFUSED_TRANSIENT
            return Answer(kind, provider="smtp", error=f"{type(error).__name__}: {error}")
        finally:
            client.close()
        return Answer(AnswerKind.SENT, provider="smtp", provider_id=message["Message-ID"], error=reply.message)

    async def ping(self) -> None:
        """Say EHLO and leave.

        Raises:
            Unavailable: Nothing answers.
        """
        client = self._client()
        try:
            await client.connect()
            await client.quit()
        except (aiosmtplib.SMTPException, OSError) as error:
            where = f"{self._server.host}:{self._server.port}"
            raise Unavailable(
                f"smtp: no mail server answers at {where} ({error}); correct LEADKEEPER_SMTP_HOST and _PORT"
            ) from error
        finally:
            client.close()

    async def close(self) -> None:
        """Nothing is kept open."""

    def compose(self, command: DeliverIntervention, rendered: Rendered) -> EmailMessage:
        """Build the mail; the same bytes (but for MIME boundaries) and the same Message-ID for the same command.

        Raises:
            ValueError: No address, or a header that would break out of its line.
        """
        if not command.recipient.email:
            raise ValueError("recipient.email is missing; send a profile_updated with an address")
        subject = rendered["subject"].strip()
        for field, text in (
            ("recipient.email", command.recipient.email),
            ("recipient.name", command.recipient.name or ""),
            ("subject", subject),
        ):
            if UNSAFE.search(text):
                raise ValueError(
                    f"{field} contains a line break or NUL and would forge headers; clean the source of it"
                )
        message = EmailMessage(policy=policy.SMTP)
        message["From"] = self._server.sender
        message["To"] = Address(display_name=command.recipient.name or "", addr_spec=command.recipient.email)
        message["Subject"] = subject
        message["Date"] = format_datetime(command.at)
        message["Message-ID"] = self._message_id(command.id)
        message["X-Leadkeeper-Intervention"] = command.id
        if link := self._unsubscribe(command):
            message["List-Unsubscribe"] = f"<{link}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(rendered["txt"])
        message.add_alternative(rendered["html"], subtype="html")
        return message

    def _unsubscribe(self, command: DeliverIntervention) -> str | None:
        base = self._server.unsubscribe_url
        return f"{base}{'&' if '?' in base else '?'}i={quote(command.id, safe='')}" if base else None

    def _message_id(self, intervention: str) -> str:
        # Ids may hold characters that a Message-ID may not.
        left = (
            intervention
            if ID_TEXT.fullmatch(intervention)
            else blake2b(intervention.encode(), digest_size=20).hexdigest()
        )
        domain = self._server.sender.rpartition("@")[2].rstrip("> ") or "localhost"
        return f"<{left}@{domain}>"

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host, port=server.port, timeout=server.timeout_s,
            use_tls=server.security == "tls", start_tls=server.security == "starttls",
            username=server.username or None, password=server.password.get_secret_value() or None,
        )  # fmt: skip
