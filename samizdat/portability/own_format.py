"""How an export of our own format is told from any other file, before what reads one is loaded."""

import io
from typing import BinaryIO

from django.utils.translation import gettext as _

from samizdat.core import zip_limits
from samizdat.portability import age_decryption
from samizdat.portability.errors import ExportRefused

MANIFEST, SUBSCRIBERS, CONSENT = "manifest.json", "subscribers.csv", "consent.csv"
FIRST_MEMBER = b"lists.json"
DIRECTORY = 8 << 20  # bytes of a zip's directory: an entry has a hundred, a picture three of them


def is_ours(head: bytes) -> bool:
    """Whether a file begins as our own exports do, also when the rest of it is missing."""
    return head[:4] == b"PK\3\4" and head[30 : 30 + len(FIRST_MEMBER)] == FIRST_MEMBER


def is_export(file: BinaryIO) -> bool:
    """Whether a file is one of our own exports, sealed or not: by its first bytes, or, packed anew, by its names."""
    head = file.read(64)
    return age_decryption.is_sealed(head) or is_ours(head) or (head[:2] == b"PK" and has_our_names(file))


def has_our_names(file: BinaryIO) -> bool:
    """Whether a zip holds what ours hold."""
    wanted = {MANIFEST, SUBSCRIBERS, CONSENT}
    try:
        return wanted <= {name for name in zip_limits.names(directory(file)) if name in wanted}
    except ExportRefused:
        return False


def directory(file: BinaryIO) -> bytes:
    """One that would fill the memory is none of ours. Errors: ExportRefused."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - zip_limits.TAIL))
    directory_size = zip_limits.directory_bytes(file.read())
    if directory_size is None:
        raise torn()
    if directory_size > DIRECTORY:
        raise foreign()
    file.seek(max(0, size - zip_limits.TAIL - directory_size))
    entries = zip_limits.directory(file.read())
    file.seek(0)
    return entries


def torn() -> ExportRefused:
    return ExportRefused("torn_file", _("This export is damaged or incomplete. Copy it again from where it was made."))


def foreign() -> ExportRefused:
    sentence = _("This file isn’t in the Samizdat format. Import it into a list as a file from another service.")
    return ExportRefused("foreign_file", sentence)
