"""The copies at a place: which there are, what opens them, and whether they are whole. Without Django, for `restore`
asks before there is an installation."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

import pyrage

from samizdat.backup.errors import BackupRefused
from samizdat.core.backup import layout, manifest, rows
from samizdat.core.backup.manifest import Manifest, PieceEntry
from samizdat.core.zstd import zstd

# Bytes of what a file of a backup may hold unpacked: a piece has 8 MB, and a row of its own at most 60.
MOST_UNPACKED = 128 << 20
# Clocks of two servers may differ by so much, and no more; by so much nobody is told of.
AHEAD, UNTOLD = timedelta(days=1), timedelta(minutes=5)


class ReadablePlace(Protocol):
    """What is read of places.base.Place."""

    def names(self, folder: str) -> Iterator[tuple[str, int]]: ...
    def read(self, name: str) -> bytes: ...


class WritablePlace(ReadablePlace, Protocol):
    def write(self, name: str, data: bytes) -> None: ...
    def delete(self, name: str) -> None: ...


class Copy(NamedTuple):
    """digest: of its signed text, in hex."""

    path: str
    time: datetime
    manifest: Manifest
    digest: str = ""


class UnusableCopy(NamedTuple):
    """A copy that can't be restored, and why: BackupRefused says it."""

    path: str
    code: str
    sentence: str


def paths(place: ReadablePlace, now: datetime | None = None) -> list[str]:
    """Of all copies, the newest first; behind all others those that seem to be from the future, since the clock was
    ahead when they were made."""
    latest = (now or datetime.now(UTC)) + AHEAD
    times = [(time, path) for path, _size in place.names(layout.SETS) if (time := layout.set_time(path)) is not None]
    return [path for time, path in sorted(times, key=lambda each: (each[0] <= latest, *each), reverse=True)]


def older(place: ReadablePlace, copy: Copy) -> str:
    """The path of the one before it; "" without any. Errors: PlaceError."""
    return next((path for path in paths(place) if (layout.set_time(path) or copy.time) < copy.time), "")


def open_copy(place: ReadablePlace, path: str, identities: Sequence[object], installation: str = "") -> Copy:
    """installation: whose it has to be, in hex; "": anybody's. Errors: BackupRefused, PlaceError."""
    text = unpacked(place.read(path), identities, path)
    time = layout.set_time(path)
    try:
        opened = manifest.read(text)
        is_named_right = path == layout.set_path(datetime.fromisoformat(opened.time), manifest.digest(text))
    except manifest.NewerFormat:
        raise BackupRefused(
            "newer_copy", f"{path} was written by a newer version of Samizdat. Install that version, then restore."
        ) from None
    except ValueError:
        raise damaged(path) from None
    if time is None or not is_named_right:
        raise BackupRefused(
            "renamed_copy", f"{path} was renamed: its contents have another time. Restore a backup that wasn't renamed."
        )
    if installation and opened.installation != installation:
        raise BackupRefused(
            "other_installation", f"{path} is of another installation. Use the key file that belongs to it."
        )
    return Copy(path, time, opened, manifest.digest(text))


def unpacked(data: bytes, identities: Sequence[object], path: str) -> bytes:
    """The content of a file of a backup. Errors: BackupRefused."""
    try:
        packed = pyrage.decrypt(data, identities)
    except pyrage.DecryptError as wrong:
        if "No matching keys" in str(wrong):
            raise BackupRefused(
                "other_key",
                f"{path} doesn't open with this key. Use the key file of the installation, or --identity with a "
                "secret key that belongs to its recipients.",
            ) from None
        raise damaged(path) from None
    try:
        content = zstd.ZstdDecompressor().decompress(packed, max_length=MOST_UNPACKED)
    except zstd.ZstdError:
        raise damaged(path) from None
    if len(content) == MOST_UNPACKED:
        raise damaged(path)
    return content


def content_of(
    place: ReadablePlace, piece: PieceEntry, table: str, identities: Sequence[object], naming_key: bytes
) -> rows.PieceRows:
    """The rows of a piece, which are those that its copy names. Errors: BackupRefused, PlaceError."""
    path = layout.piece_path(piece.name)
    content = unpacked(place.read(path), identities, path)
    try:
        is_right = rows.name(naming_key, content) == piece.name
        read = rows.decode(content) if is_right else None
    except rows.PieceBroken:
        read = None
    if read is None or read.table != table or len(read.rows) != piece.rows:
        raise damaged(path)
    return read


def missing_pieces(opened: Manifest, sizes: Mapping[str, int]) -> list[PieceEntry]:
    """Pieces that are not at the place, or have another size there. sizes: of piece_sizes()."""
    return [piece for piece in opened.pieces if sizes.get(piece.name) != piece.size]


def piece_sizes(place: ReadablePlace) -> dict[str, int]:
    """Name -> bytes of each piece at a place."""
    sizes = ((layout.piece_name(path), size) for path, size in place.names(layout.PIECES))
    return {name: size for name, size in sizes if name}


def newest_whole(
    place: ReadablePlace, identities: Sequence[object], installation: str = "", only: str = ""
) -> tuple[Copy, list[UnusableCopy]]:
    """The newest copy of which everything is there, and the newer ones that can't be used. only: this one and no other.
    Errors: BackupRefused, where none is whole."""
    unusable = list[UnusableCopy]()
    sizes: dict[str, int] | None = None
    for path in [only] if only else paths(place):
        try:
            copy = open_copy(place, path, identities, installation)
            sizes = piece_sizes(place) if sizes is None else sizes
            _check_whole(copy, sizes)
        except BackupRefused as refused:
            unusable.append(UnusableCopy(path, refused.code, str(refused)))
            continue
        return copy, unusable + ([] if only else _of_the_future(place, copy))
    if not unusable:
        raise BackupRefused("no_copy", "There is no finished backup here. Check the path, or use another place.")
    raise BackupRefused(unusable[0].code, unusable[0].sentence)


def _of_the_future(place: ReadablePlace, chosen: Copy) -> list[UnusableCopy]:
    """Copies that seem to be from the future, and so may be newer than the chosen one: the clock here is behind, or
    another one was ahead."""
    latest = datetime.now(UTC) + AHEAD
    if chosen.time > latest:
        return []
    times = [(layout.set_time(path), path) for path, _size in place.names(layout.SETS)]
    return [
        UnusableCopy(
            path,
            "future",
            f"{path} has a time more than a day ahead of this server's clock. If the clock is wrong, set it and "
            f"restore again into a new folder. If this is the backup you want: --copy {path}",
        )
        for time, path in sorted(times, key=str)
        if time is not None and time > latest
    ]


def sentence_ahead(time: datetime, path: str, now: datetime) -> str:
    """Of a backup, or the end of what continues it, that seems to be from the future; "" where it isn't."""
    if time <= now + UNTOLD:
        return ""
    return (
        f"This backup's time is ahead of this server's clock, which says {now:%Y-%m-%d %H:%M} UTC. Either this clock "
        "is behind, or the one was ahead when the backup was made. Check which. If it was ahead, a backup with an "
        f"earlier time may be newer than {path}: restore that one with --copy, into a new folder."
    )


def _check_whole(copy: Copy, sizes: Mapping[str, int]) -> None:
    if missing := missing_pieces(copy.manifest, sizes):
        raise BackupRefused(
            "missing_pieces",
            f"{copy.path} isn't whole: {len(missing)} of {len(copy.manifest.pieces)} pieces are missing or cut short, "
            f"such as {layout.piece_path(missing[0].name)}. Copy the whole folder again, or restore an older backup "
            "with --copy.",
        )


def damaged(path: str) -> BackupRefused:
    return BackupRefused(
        "damaged",
        f"{path} is damaged or was changed. Copy this file again from where the backup also is, or restore an older "
        "backup with --copy.",
    )


def opens(copy: Copy, identities: Sequence[object]) -> bool:
    """Whether one of these is of those that a copy with recipients is encrypted to."""
    try:
        key_text(copy, identities)
    except BackupRefused:
        return False
    return True


def key_text(copy: Copy, identities: Sequence[object]) -> bytes:
    """The text of the key file that goes along for recipients. Errors: BackupRefused."""
    if not copy.manifest.key:
        raise BackupRefused("no_key", "The key isn't in this backup: it opens with the key file. Add --key-file FILE.")
    try:
        return bytes(pyrage.decrypt(base64.b64decode(copy.manifest.key), identities))
    except (pyrage.DecryptError, ValueError):
        raise damaged(copy.path) from None


def sealed_manifest(text: bytes, recipients: Sequence[object]) -> bytes:
    return bytes(pyrage.encrypt(zstd.compress(text), recipients))


def sentence_without_identity(opened: Manifest) -> str:
    keys = ", ".join(opened.recipients)
    return f"This backup opens only with a secret key of its recipients ({keys}). Add --identity FILE."


def as_json(copy: Copy) -> dict[str, object]:
    facts = copy.manifest
    return {
        "copy": copy.path,
        "time": facts.time,
        "kind": facts.kind,
        "version": facts.version,
        "engine": facts.engine,
        "fingerprint": manifest.fingerprint(facts.installation),
        "rows": facts.rows,
        "recipients": facts.recipients,
        "epoch": facts.epoch,
        "tables": {
            table.name: table.rows for table in facts.tables if table.rows and table.database != manifest.FOLDER
        },
    }
