"""A proxy that makes tunnels to this machine."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Tunnels:
    """A CONNECT proxy to this machine, whatever name is asked for; `answer` takes its place."""

    def __init__(self, answer: bytes = b"") -> None:
        self.answer = answer
        self.heard: list[bytes] = []
        self.mute = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.heard.append(await reader.readuntil(b"\r\n\r\n"))
        if self.mute:
            await reader.read()
        if self.answer or self.mute:
            writer.write(self.answer)
            await writer.drain()
            return
        port = int(self.heard[-1].split()[1].rpartition(b":")[2])
        there, out = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_pump(reader, out), _pump(there, writer))
        finally:
            out.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    writer.close()
