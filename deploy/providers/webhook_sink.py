"""A webhook receiver for the try-out and the tests: verifies Standard Webhooks signatures and keeps what it gets.

    python -m deploy.providers.webhook_sink FILE --secret-file FILE [--port N] [--fail later=0.1,never=0.05,drop=0.1]

Prints one JSON line with its port when it listens (127.0.0.1 only). Appends a JSON line for each request: id, whether
the signature holds, the status it answered (0 = none), the body. Faults, as shares: `later` answers 503 and `busy` 429,
both with Retry-After 1, `error` 500, `never` 410, `moved` 302; `drop` keeps the body and closes the connection without
an answer, `hang` keeps it and never answers.
"""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from deploy.providers.faults import Faults, shares_among

LOOPBACK = "127.0.0.1"
ANSWERS = {"later": 503, "busy": 429, "error": 500, "never": 410, "moved": 302, "drop": 0, "hang": 0}
FAULTS = tuple(ANSWERS)
HEADERS = {
    "later": {"Retry-After": "1"},
    "busy": {"Retry-After": "1"},
    "moved": {"Location": "http://127.0.0.1/elsewhere"},
}


class Sink:
    """Checks and keeps webhooks, and fails as often as told."""

    def __init__(self, file: Path, secret: str, faults: Faults) -> None:
        """Append to the file."""
        self._file = file
        self._webhook = Webhook(secret)
        self._faults = faults

    async def take(self, request: web.Request) -> web.Response:
        """Answer one request."""
        body = await request.read()
        try:
            self._webhook.verify(body, dict(request.headers), json_parse=False)
            verified = True
        except (WebhookVerificationError, ValueError):
            verified = False
        fault = self._faults.draw() if verified else None
        status = ANSWERS[fault] if fault else 204 if verified else 401
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
        if fault == "hang":
            await asyncio.Event().wait()
        return web.Response(status=status or 204, headers=HEADERS.get(fault or "", {}))


async def serve(sink: Sink, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    app = web.Application()
    app.router.add_post("/{tail:.*}", sink.take)
    runner = web.AppRunner(app, shutdown_timeout=1.0)  # a call that hangs on purpose ends with us
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


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--secret-file", type=Path, required=True, help="holds whsec_…")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--fail", type=shares_among(FAULTS), default={}, help="for example later=0.1,drop=0.05")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same faults")
    given = parser.parse_args()
    secret = given.secret_file.read_text().strip()
    asyncio.run(serve(Sink(given.file, secret, Faults(given.fail, given.seed)), given.port))


if __name__ == "__main__":
    main()
