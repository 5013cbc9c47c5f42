"""backup place add, change, list, remove; and the place of backups that a command line names."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import structs

from samizdat import plugins
from samizdat.cli import bootstrap
from samizdat.cli.age_keys import keys_of
from samizdat.cli.output import CommandFailed, common, confirm, first_line, note, say, table

if TYPE_CHECKING:
    from samizdat.delivery.backup_places import KeptPlace, PlaceBroken

_SPEED = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)\s?([KMG]?)B/s", re.IGNORECASE)
_SIZES = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}


class Speed(click.ParamType[int]):
    """Bytes a second."""

    name = "speed"

    def convert(self, value: str | int, param: click.Parameter | None, context: click.Context | None) -> int:
        match = _SPEED.fullmatch(value.strip()) if isinstance(value, str) else None
        speed = round(float(match[1]) * _SIZES[match[2].upper()]) if match else 0
        if speed < 1:
            self.fail("Write it as a number with its unit, such as 500KB/s or 2MB/s.", param, context)
        return speed


def url_of(text: str) -> str:
    """text: a folder, or the URL of a place."""
    return text if ":" in text.partition("/")[0] else Path(text).absolute().as_uri()


def opened(text: str, password_file: str | None) -> "plugins.Place":
    """text: a folder, or the URL of a place. Errors: PlaceError."""
    return plugins.open_place(*named(text, password_file))


def named(text: str, password_file: str | None) -> tuple[str, str]:
    """Its URL, and its password or key."""
    return url_of(text), _secret(password_file) if password_file else ""


def _secret(file: str) -> str:
    """The first line: a password. All of it where it's a private key, for SFTP."""
    first = first_line(file)
    return Path(file).read_text("utf-8-sig") if first.startswith("-----BEGIN ") else first


def kept_options[F: Callable[..., object]](command: F) -> F:
    """How many backups stay at a place, how old one may be, and how fast it's written to."""
    for name, most, help_ in (
        ("days", 30, "Delete backups older than so many days, because erased subscribers are in them; 30."),
        ("monthly", 2, "Of so many months, keep the newest backup; 0."),
        ("weekly", 5, "Of so many weeks, keep the newest backup; 4."),
        ("daily", 30, "Of so many days, keep the newest backup; 7."),
    ):
        least = 1 if name == "days" else 0
        command = click.option(f"--{name}", type=click.IntRange(least, most), metavar="N", help=help_)(command)
    text = "At most so much, such as 2MB/s. Default: no limit."
    return click.option("--bandwidth", type=Speed(), metavar="SPEED", help=text)(command)


@click.group("place")
def place() -> None:
    """Where backups go by themselves."""


@place.command("add")
@click.argument("place", metavar="URL")
@click.option("--password-file", type=click.Path(), help="File with the password or key of the place.")
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    metavar="AGE-KEY",
    help="The age key to encrypt its backups to, an SSH public key, or a file of them. Can be repeated.",
)
@kept_options
@common
def place_add(
    place: str,
    password_file: str | None,
    recipients: tuple[str, ...],
    bandwidth: int | None,
    **kept_for: int | None,
) -> None:
    """Add a place: a folder, or the URL of a place: file://, sftp://, s3://, rclone:.

    It is tried first: a small file is written, read and deleted. Its password is stored encrypted.
    """
    bootstrap.open_house()
    from samizdat.backup import kept_places
    from samizdat.delivery.backup_places import PlaceDetails

    details = PlaceDetails(
        url=url_of(place),
        added=bootstrap.now(),
        secret=_secret(password_file) if password_file else "",
        recipients=list(keys_of(recipients)),
        bytes_per_second=bandwidth or 0,
    )
    kept = kept_places.add(structs.replace(details, **_given(kept_for)))
    say(document(kept), f"Backup place {kept.number} added: {kept.details.url}", "Back up now: samizdat backup")
    if not kept.details.recipients:
        note(
            "Anyone with a backup from this place and the key file can read everything. Add the place with "
            "--recipient and an age key whose secret part isn't on this server."
        )
    if kept.details.append_only:
        note(
            "This place doesn't let Samizdat delete anything. Delete there what is older than 30 days, because erased "
            "subscribers are still in it, encrypted."
        )


@place.command("change")
@click.argument("number", metavar="ID", type=int)
@kept_options
@click.option("--no-limit", is_flag=True, help="Write to it as fast as it takes it.")
@common
def place_change(number: int, bandwidth: int | None, no_limit: bool, **kept_for: int | None) -> None:
    """Change how long backups are kept at a place, and how fast it's written to.

    Old backups go with the next one. For another URL or password, remove the place and add it again.
    """
    bootstrap.open_house()
    from samizdat.backup import kept_places
    from samizdat.delivery import backup_places

    new: dict[str, Any] = _given(kept_for)
    if bandwidth or no_limit:
        new["bytes_per_second"] = 0 if no_limit else bandwidth or 0
    if not new:
        raise CommandFailed(
            "Say what to change: --daily, --weekly, --monthly, --days or --bandwidth.", "nothing_to_change"
        )
    kept = backup_places.get(number)
    if kept is None:
        raise _no_such_place(number)
    changed = kept_places.change(kept, now=bootstrap.now(), **new)
    say(document(changed), f"Backup place {number} was changed: {changed.details.url}", _kept(changed))


def _given(options: dict[str, int | None]) -> dict[str, int]:
    return {name: value for name, value in options.items() if value is not None}


def _no_such_place(number: int) -> CommandFailed:
    return CommandFailed(f"There's no backup place {number}. See: samizdat backup place list", "no_such_place")


def _kept(kept: "KeptPlace") -> str:
    details = kept.details
    return (
        f"Kept: the newest backup of {details.daily} days, {details.weekly} weeks and {details.monthly} months, none "
        f"older than {details.days} days."
    )


@place.command("list")
@common
def place_list() -> None:
    """The backup places, and their newest backups."""
    bootstrap.open_house()
    from samizdat.delivery import backup_places

    rows = [_document(each) for each in backup_places.all_places()]
    say(
        {"places": rows},
        *table(
            ("id", "place", "last backup", "last full backup", "status"),
            [
                (
                    str(row["id"]),
                    row["url"],
                    _moment(row["last_backup"]),
                    _moment(row["last_full"]),
                    "failing" if row["error"] else "ok",
                )
                for row in rows
            ],
        ),
        *(f"{row['id']}: {row['error']}" for row in rows if row["error"]),
        *(
            f"{row['id']}: {row['of_former_key']} of its backups need the former key file."
            for row in rows
            if row["of_former_key"]
        ),
    )


@place.command("remove")
@click.argument("number", metavar="ID", type=int)
@common
def place_remove(number: int) -> None:
    """Forget a place and its password. Backups that are there stay there."""
    bootstrap.open_house()
    from samizdat.backup import kept_places
    from samizdat.delivery import backup_places

    if number not in backup_places.numbers():
        raise _no_such_place(number)
    confirm(f"Remove backup place {number}? Nothing is backed up there any more.")
    kept_places.remove(number, now=bootstrap.now())
    say(
        {"id": number, "removed": True},
        f"Backup place {number} was removed. Its backups are still there. Delete them there within 30 days, because "
        "subscribers who are erased from now on are still in them, encrypted.",
    )


def _moment(iso: object) -> str:
    return f"{iso[:10]} {iso[11:16]} UTC" if isinstance(iso, str) else "none"


def _document(each: "KeptPlace | PlaceBroken") -> dict[str, object]:
    if isinstance(each, Exception):
        nothing = {"url": "?", "last_backup": None, "last_full": None, "of_former_key": 0}
        return {"id": each.number, **nothing, "error": str(each)}
    return document(each)


def document(kept: "KeptPlace") -> dict[str, object]:
    from samizdat.core.backup.manifest import FULL
    from samizdat.delivery import backup_places

    copies = backup_places.copies(kept.number)
    full = next((copy for copy in copies if copy.kind == FULL), None)
    return {
        "id": kept.number,
        "url": kept.details.url,
        "recipients": kept.details.recipients,
        "bytes_per_second": kept.details.bytes_per_second or None,
        "kept": {name: getattr(kept.details, name) for name in ("daily", "weekly", "monthly", "days")},
        "append_only": kept.details.append_only,
        "last_backup": copies[0].made.isoformat() if copies else None,
        "last_full": full.made.isoformat() if full else None,
        "of_former_key": sum(map(backup_places.of_former_key, copies)),
        "failing_since": kept.state.failing,
        "error": kept.state.error,
    }
