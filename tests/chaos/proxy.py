"""A TCP proxy that cuts and slows connections on command, as a process of its own.

    python -m tests.chaos.proxy HOST:PORT

Prints one JSON line with its two ports when it listens (127.0.0.1 only): `port` for clients, `control` for orders, one
per line: `open` (as if it were not there), `slow SECONDS` (every piece of data waits so long), `cut` (all connections
end, new ones are refused), `resets SHARE` (each piece of data is that likely to end its connection). It answers `ok` and
how many pieces or connections the order before this one has met.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import socket
import sys

LOOPBACK = "127.0.0.1"
PIECE = 1 << 16


class Proxy:
    """Forwards connections to one address."""

    def __init__(self, host: str, port: int, seed: int) -> None:
        self._host, self._port = host, port
        self._chance = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()
        self._cut, self._delay_s, self._resets = False, 0.0, 0.0
        self._met = 0

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        if self._cut:
            self._met += 1
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, up_writer}
        self._open |= ends
        pumps = [asyncio.create_task(self._pump(*pair)) for pair in ((reader, up_writer), (up_reader, writer))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        self._open -= ends
        for end in ends:
            end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE):
                if self._delay_s:
                    self._met += 1
                    await asyncio.sleep(self._delay_s)  # the slow line is the fault
                if self._chance.random() < self._resets:
                    self._met += 1
                    return
                writer.write(piece)
                await writer.drain()

    async def obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take orders from one connection."""
        while line := (await reader.readline()).decode().split():
            order, amount = line[0], float(line[1]) if line[1:] else 0.0
            self._cut = order == "cut"
            self._delay_s = amount if order == "slow" else 0.0
            self._resets = amount if order == "resets" else 0.0
            met, self._met = self._met, 0
            if self._cut:
                self._met = len(self._open)
                for each in list(self._open):
                    each.transport.abort()
            writer.write(b"ok %d\n" % met)
        writer.close()


def order(port: int, text: str) -> int:
    """Give a proxy an order, wait until it has obeyed, and return what the one before has met."""
    with socket.create_connection((LOOPBACK, port), timeout=10) as line:
        line.sendall(f"{text}\n".encode())
        said, met = line.makefile("rb").readline().split()
        assert said == b"ok"
        return int(met)


async def serve(proxy: Proxy) -> None:
    """Serve until SIGTERM or SIGINT."""
    servers = [await asyncio.start_server(each, LOOPBACK, 0) for each in (proxy.forward, proxy.obey)]
    port, control = (server.sockets[0].getsockname()[1] for server in servers)
    sys.stdout.write(json.dumps({"port": port, "control": control}) + "\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    await stop.wait()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("to", help="HOST:PORT")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    host, _, port = given.to.rpartition(":")
    asyncio.run(serve(Proxy(host, int(port), given.seed)))


if __name__ == "__main__":
    main()
