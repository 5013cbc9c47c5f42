"""Files of the package, given out beside the threads: somebody who takes an hour over one keeps nobody from a page."""

import asyncio
from collections.abc import Iterator
from typing import IO
from wsgiref.types import WSGIEnvironment

from samizdat import asgi
from samizdat.asgi import Send

# A proxy takes all at once, and sending would never wait: hundreds of files would go before the next page. So no more
# than so many pieces go before whatever else there is to do.
PIECE, PIECES = 64 * 1024, 8
# What Django's SecurityMiddleware puts on pages.
SAFE = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


class StaticFiles:
    """Found once, by WhiteNoise. Django has to be set up."""

    def __init__(self) -> None:
        from django.http import HttpResponse
        from whitenoise.middleware import WhiteNoiseMiddleware

        self._turns = asyncio.Semaphore(PIECES)
        self._files = WhiteNoiseMiddleware(lambda _request: HttpResponse()).files

    async def answer(self, asked: WSGIEnvironment, send: Send) -> bool:
        """False: no file is called so."""
        static_file = self._files.get(asked["PATH_INFO"])
        if static_file is None:
            return False
        answer = static_file.get_response(asked["REQUEST_METHOD"], asked)
        headers = [*asgi.pairs(answer.headers), *SAFE]
        await send({"type": "http.response.start", "status": int(answer.status), "headers": headers})
        for piece in _pieces(answer.file):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            async with self._turns:
                await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})
        return True


def _pieces(file: IO[bytes] | None) -> Iterator[bytes]:
    if file is not None:
        with file:
            while piece := file.read(PIECE):
                yield piece
