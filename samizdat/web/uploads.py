"""Uploads never lie in plain on the disk: a file is refused, held in memory, or sealed piece by piece."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile, StopUpload
from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from samizdat.audience.errors import AudienceError
from samizdat.web.permissions import View
from samizdat.web.request import DeskRequest

PIECE = 1024 * 1024  # Bytes of a sealed piece: small beside the memory of a desk, large beside its own overhead.


class StartingUploadHandler(FileUploadHandler):
    """Has a word for the beginning of a file: `begin`, when its names are known."""

    def begin(self) -> None:
        raise NotImplementedError

    def new_file(
        self,
        field_name: str,
        file_name: str,
        content_type: str,
        content_length: int | None,
        charset: str | None = None,
        content_type_extra: dict[str, bytes] | None = None,
    ) -> None:
        super().new_file(field_name, file_name, content_type, content_length, charset, content_type_extra)
        self.begin()


class RefusingUploadHandler(StartingUploadHandler):
    """Pages that ask for no file take none: it is read past and forgotten."""

    def begin(self) -> None:
        raise StopUpload(connection_reset=False)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        return None

    def file_complete(self, file_size: int) -> None:
        return None


class MemoryUploadHandler(StartingUploadHandler):
    """One small file in memory: a picture. More than `limit` bytes: `too_large` is set and the rest read past."""

    chunk_size = 64 * 1024

    def __init__(self, request: DeskRequest | None = None, *, limit: int) -> None:
        super().__init__(request)
        self.limit, self.too_large = limit, False

    def begin(self) -> None:
        self._held = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > self.limit:
            self.too_large = True
            raise StopUpload(connection_reset=False)
        self._held.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self._held.seek(0)
        return InMemoryUploadedFile(
            self._held, self.field_name, self.file_name, self.content_type, file_size, self.charset
        )


class SeveralUploadHandler(MemoryUploadHandler):
    """Several small files in memory. One that is too large is left out and named in `refused`; `most` bytes of all
    together, and beyond that the rest is read past (`too_large`).
    """

    def __init__(self, request: DeskRequest | None = None, *, limit: int, most: int) -> None:
        super().__init__(request, limit=limit)
        self.most, self.total = most, 0
        self.refused: list[str] = []

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.total += len(raw_data)
        if self.total > self.most:
            self.too_large = True
            raise StopUpload(connection_reset=False)
        if start + len(raw_data) > self.limit:
            self.total -= start + len(raw_data)
            self.refused.append(self.file_name or _("unnamed"))
            raise SkipFile
        self._held.write(raw_data)


class SealedFile:
    """What the import view gets instead of a file: its name, and which pieces were taken."""

    def __init__(self, name: str, number: int, size: int) -> None:
        self.name, self.number, self.size = name, number, size


class PieceUploadHandler(StartingUploadHandler):
    """Hands every file on in pieces, at once: `take(file, piece, data)` seals and stores one.

    `limit` holds for all files of the request together; beyond it `too_large` is set and the rest is read past, as it
    is when `take` refuses one: `refusal` says why.
    """

    chunk_size = 256 * 1024

    def __init__(self, request: DeskRequest, *, take: Callable[[int, int, bytes], None], limit: int) -> None:
        super().__init__(request)
        self._take, self.limit = take, limit
        self.total, self.too_large, self.refusal = 0, False, ""
        self._file, self._piece, self._waiting = -1, 0, bytearray()

    def begin(self) -> None:
        self._file += 1
        self._piece, self._waiting = 0, bytearray()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.total += len(raw_data)
        if self.total > self.limit:
            self.too_large = True
            raise StopUpload(connection_reset=False)
        self._waiting += raw_data
        while len(self._waiting) >= PIECE:
            self._give(bytes(self._waiting[:PIECE]))
            del self._waiting[:PIECE]

    def file_complete(self, file_size: int) -> Any:
        if self._waiting:
            self._give(bytes(self._waiting))
            self._waiting = bytearray()
        return SealedFile(self.file_name or _("unnamed"), self._file, file_size)

    def _give(self, data: bytes) -> None:
        try:
            self._take(self._file, self._piece, data)
        except AudienceError as refused:
            self.refusal = str(refused)
            raise StopUpload(connection_reset=False) from refused
        self._piece += 1


def handler_of[H: FileUploadHandler](request: DeskRequest, kind: type[H]) -> H:
    """The one that took the files of this request in: what takes_files() was given."""
    handler = request.upload_handlers[0]
    assert isinstance(handler, kind)
    return handler


def takes_files(handler: Callable[[DeskRequest], FileUploadHandler]) -> Callable[[View], View]:
    """For a view that takes files, by the handler of its request. That one must be in place before anybody reads the
    form, and the check against forgery reads it.
    """

    def marked(view: View) -> View:
        checked = csrf_protect(view)

        def taking(request: DeskRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            request.upload_handlers = [handler(request)]
            return checked(request, *args, **kwargs)

        return csrf_exempt(taking)

    return marked
