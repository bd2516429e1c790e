"""A real SMTP server for the try-out and the tests: every mail it takes becomes a file that can be read afterwards.

    python -m deploy.providers.mailbox DIR [--port N] [--fail drop=0.1,later=0.05,never=0.02] [--seed 7]

Prints one JSON line with its port when it listens (127.0.0.1 only). In DIR it keeps each mail as `<n>.eml` and appends
a JSON line to `index.jsonl` before it answers 250, so what it answered for can be read. Faults, as shares of all mails:
`drop` takes the mail and closes the connection without a word, `hang` takes it and never answers, `later` refuses with
451, `never` with 550 (nothing is kept).
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from email import message_from_bytes, policy
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.providers.faults import Faults, shares_among

LOOPBACK = "127.0.0.1"
FAULTS = ("drop", "hang", "later", "never")
MAX_BYTES = 10 * 1024 * 1024


class Mailbox:
    """Keeps mails, and fails as often as told."""

    def __init__(self, folder: Path, faults: Faults) -> None:
        """Go on numbering where an earlier run in the same folder stopped."""
        self._folder = folder
        self._faults = faults
        folder.mkdir(parents=True, exist_ok=True)
        self._count = len(list(folder.glob("*.eml")))

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002 - aiosmtpd's name
        """Take or refuse one mail."""
        fault = self._faults.draw()
        if fault == "later":
            return "451 4.7.1 try again later"
        if fault == "never":
            return "550 5.7.1 not wanted here"
        self._keep(envelope)
        if fault == "drop" and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        if fault == "hang":
            await asyncio.Event().wait()
        return "250 2.0.0 in the mailbox"

    def _keep(self, envelope: Envelope) -> None:
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        self._count += 1
        name = f"{self._count:06d}.eml"
        (self._folder / name).write_bytes(content)
        headers = message_from_bytes(content, policy=policy.default)
        line = {
            "file": name,
            "message_id": headers["Message-ID"],
            "intervention": headers["X-Leadkeeper-Intervention"],
            "to": list(envelope.rcpt_tos),
            "subject": headers["Subject"],
        }
        with (self._folder / "index.jsonl").open("a") as index:
            index.write(json.dumps(line) + "\n")


async def serve(folder: Path, port: int, faults: Faults) -> None:
    """Serve until SIGTERM or SIGINT."""
    mailbox = Mailbox(folder, faults)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    server = await loop.create_server(
        lambda: SMTP(mailbox, hostname="mailbox.localhost", data_size_limit=MAX_BYTES, enable_SMTPUTF8=True, loop=loop),
        LOOPBACK,
        port,
    )
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--fail", type=shares_among(FAULTS), default={}, help="for example drop=0.1,later=0.05")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same faults")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.folder, given.port, Faults(given.fail, given.seed)))


if __name__ == "__main__":
    main()
