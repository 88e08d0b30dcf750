"""Connections to public hosts only: a token's creator chooses the address that we open, and may not choose ours."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import httpcore2
from httpcore2 import SOCKET_OPTION, AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream

from app.errors import CurvecastError

Judge: TypeAlias = Callable[[str], bool]
"""Whether an IP address may be connected to."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class Refused(CurvecastError):
    """An address that must not be opened, or an answer that must not be read; why, in words for a log."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet: not private, link-local, loopback, multicast or reserved,
    and not a wrapping of such a one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


class PublicBackend(AsyncNetworkBackend):
    """Resolves a host itself, judges every address, and connects to one that it judged: a name that resolves to
    another address a moment later gains nothing."""

    def __init__(self, judge: Judge = is_public) -> None:
        self._judge = judge
        self._inner = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 # of the base class
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        address = await self._resolve(host, port)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    async def _resolve(self, host: str, port: int) -> str:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"{host} cannot be found") from error
        addresses = [str(each[4][0]) for each in found]
        if not addresses or not all(self._judge(each) for each in addresses):
            raise Refused("an address that is not public")
        return addresses[0]
