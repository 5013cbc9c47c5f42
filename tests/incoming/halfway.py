"""A mail server that stops in the middle: it stands before Dovecot, passes everything on, and falls silent at moments
that a test names."""

import asyncio
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self

from tests.smtp_server import Certificate


@dataclass(frozen=True)
class Moment:
    """Where it falls silent: right behind these bytes of what the server says, so inside of a message too, or once
    the server has them from the client, whose answer never comes."""

    text: bytes
    of: Literal["server", "client"] = "server"


class Halfway:
    """Over TLS on both sides. The moments come one after the other; a session that met one hears nothing more."""

    def __init__(self, certificate: Certificate, behind: int, moments: Sequence[Moment]) -> None:
        self._certificate, self._behind = certificate, behind
        self._moments = [*moments]
        self.silences = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)
        return self

    def __exit__(self, *_error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._session, "127.0.0.1", 0, ssl=self._certificate.context())
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _stop(self) -> None:
        self._server.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        context = ssl.create_default_context(cafile=self._certificate.file)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        theirs, out = await asyncio.open_connection("127.0.0.1", self._behind, ssl=context)
        silent = asyncio.Event()
        answers = asyncio.create_task(self._pass_on(theirs, writer, "server", silent))
        try:
            with suppress(OSError):  # A client that was killed says no goodbye.
                await self._pass_on(reader, out, "client", silent)
        finally:
            answers.cancel()
            out.close()
            writer.close()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        side: Literal["server", "client"],
        silent: asyncio.Event,
    ) -> None:
        seen = b""
        while some := await reader.read(65_536):
            before, seen = len(seen), seen + some
            moment = self._moments[0] if self._moments else None
            if moment is None or moment.of != side or (place := seen.find(moment.text)) < 0 or silent.is_set():
                if side == "client" or not silent.is_set():
                    writer.write(some)
                seen = seen[-100:]
                continue
            silent.set()
            writer.write(some if side == "client" else some[: max(place + len(moment.text) - before, 0)])
            await writer.drain()
            self._moments.pop(0)
            self.silences += 1
        writer.close()
