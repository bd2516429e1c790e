"""Which network addresses a webhook may reach: public ones only, checked on the very address that is connected to."""

import ipaddress
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: IPv4 addresses in disguise, which `is_global` calls public whatever is inside."""

Check = Callable[[str], bool]


class ForbiddenAddressError(OSError):
    """The endpoint's name leads to an address that a webhook may not reach."""


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet, also when an IPv4 address hides in an IPv6 one."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, IPv6Address) and (inner := _inner(ip)) is not None:
        return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def is_loopback(address: str) -> bool:
    """Whether an IP address is this machine."""
    return ipaddress.ip_address(address).is_loopback


def literal(host: str) -> str | None:
    """The host as an IP address if it is written as one, else None."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None


class CheckedResolver(AbstractResolver):
    """Resolves names and refuses the result if any address in it is forbidden.

    aiohttp connects to the addresses returned here, with the name still in SNI and Host: there is no second look-up
    that could answer differently. Hosts written as addresses never come here; check those before.

    Args:
        allowed: Says whether an address may be reached.
    """

    def __init__(self, allowed: Check) -> None:
        """Resolve in threads, as the system does."""
        self._allowed = allowed
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve one name.

        Raises:
            ForbiddenAddressError: One of its addresses is not allowed.
            OSError: It does not resolve.
        """
        found = await self._resolver.resolve(host, port, family)
        for each in found:
            if not self._allowed(each["host"]):
                raise ForbiddenAddressError(f"{host} resolves to {each['host']}, which is not a public address")
        return found

    async def close(self) -> None:
        """Stop resolving."""
        await self._resolver.close()


def _inner(ip: IPv6Address) -> IPv4Address | None:
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip in NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return None
