"""A webhook receiver for the try-out and the tests: verifies Standard Webhooks signatures and keeps what it gets.

    python -m deploy.providers.webhook_sink FILE --secret-file FILE [--port N] [--fail later=0.1,never=0.05,drop=0.1]

Prints one JSON line with its port when it listens (127.0.0.1 only). Appends a JSON line for each request: id, whether
the signature holds, the status it answered, the body. Faults, as shares: `later` answers 503 with Retry-After 1,
`never` 410, `moved` 302, `drop` keeps the body and closes the connection without an answer.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
from pathlib import Path

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

LOOPBACK = "127.0.0.1"
FAULTS = ("later", "never", "moved", "drop")


class Sink:
    """Checks and keeps webhooks, and fails as often as told."""

    def __init__(self, file: Path, secret: str, shares: dict[str, float], seed: int) -> None:
        """Append to the file."""
        self._file = file
        self._webhook = Webhook(secret)
        self._shares = shares
        self._chance = random.Random(seed)

    async def take(self, request: web.Request) -> web.Response:
        """Answer one request."""
        body = await request.read()
        try:
            self._webhook.verify(body, dict(request.headers), json_parse=False)
            verified = True
        except (WebhookVerificationError, ValueError):
            verified = False
        fault = self._draw() if verified else None
        status = {None: 204 if verified else 401, "later": 503, "never": 410, "moved": 302, "drop": 0}[fault]
        line = {
            "id": request.headers.get("webhook-id"),
            "verified": verified,
            "status": status,
            "body": body.decode(errors="replace"),
        }
        with self._file.open("a") as out:
            out.write(json.dumps(line) + "\n")
        if fault == "drop" and request.transport is not None:
            request.transport.abort()
        headers = {"later": {"Retry-After": "1"}, "moved": {"Location": "http://127.0.0.1/elsewhere"}}.get(
            fault or "", {}
        )
        return web.Response(status=status or 204, headers=headers)

    def _draw(self) -> str | None:
        drawn = self._chance.random()
        for fault, share in self._shares.items():
            if drawn < share:
                return fault
            drawn -= share
        return None


async def serve(sink: Sink, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    app = web.Application()
    app.router.add_post("/{tail:.*}", sink.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, port)
    await site.start()
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    sys.stdout.write(json.dumps({"port": runner.addresses[0][1]}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await runner.cleanup()


def shares_of(text: str) -> dict[str, float]:
    """Read `later=0.1,drop=0.05`."""
    shares = {}
    for each in filter(None, text.split(",")):
        name, _, share = each.partition("=")
        if name not in FAULTS or not 0 <= float(share) <= 1:
            raise argparse.ArgumentTypeError(
                f"{each}: use one of {', '.join(FAULTS)} and a share from 0 to 1, like later=0.1"
            )
        shares[name] = float(share)
    return shares


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--secret-file", type=Path, required=True, help="holds whsec_…")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--fail", type=shares_of, default={}, help="for example later=0.1,drop=0.05")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same faults")
    given = parser.parse_args()
    secret = given.secret_file.read_text().strip()
    asyncio.run(serve(Sink(given.file, secret, given.fail, given.seed), given.port))


if __name__ == "__main__":
    main()
