"""Every option of the house: name, default, help. The page docs/options.md is printed from this table.

Options are environment variables, because the same words then work in a shell, a systemd unit and a container.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from samizdat.core import private_networks


class BadOption(ValueError):
    """An option holds something that cannot be used; the sentence says what to put there."""


@dataclass(frozen=True, slots=True)
class Option:
    name: str
    default: str
    help: str


OPTIONS = (
    Option("SAMIZDAT_DATA", "./samizdat-data", "The data folder. The key file lies beside it, never inside."),
    Option(
        "SAMIZDAT_KEY_FILE",
        "",
        "The key file, when it is not <data folder>.key. Readable by its owner alone.",
    ),
    Option(
        "DATABASE_URL",
        "",
        "postgresql://user:password@host/name to use PostgreSQL. Empty: SQLite in the data folder.",
    ),
    Option(
        "SAMIZDAT_GATE_URL",
        "",
        "postgresql://… that the public process uses for the public database, with a role of its own. "
        "Empty: made by `samizdat upgrade` where the database lets it.",
    ),
    Option(
        "SAMIZDAT_BACKUPS",
        "",
        "The folder in which you keep backups. `doctor` names those older than 30 days: whoever was erased is in them, "
        "sealed. The house itself only looks there.",
    ),
    Option("SAMIZDAT_LANGUAGE", "en", "Language of pages and commands before somebody has chosen: en or ru."),
    Option(
        "SAMIZDAT_WORDS",
        "",
        "A folder with words of your own for what letters say by themselves (docs/languages.md), on every machine that "
        "has a worker or the desk.",
    ),
    Option(
        "SAMIZDAT_USER",
        "",
        "User that `serve` and `worker` become when they are started as root; then it has to be set. root: they stay "
        "it, as in a container that knows nobody else.",
    ),
    Option(
        "SAMIZDAT_PUBLIC_USER",
        "",
        "User that the public process runs as, when `serve` is started as root: one that owns nothing else.",
    ),
    Option(
        "SAMIZDAT_DNS",
        "",
        "Name server for the checks of SPF, DKIM and DMARC. Empty: the one of the machine.",
    ),
    Option(
        "SAMIZDAT_INNER_NETWORKS",
        "",
        "Addresses and networks of your own that a route may lead to which an admin adds in the app, like 127.0.0.1 "
        "10.0.5.0/24. Empty: none, so that nobody looks around in your network through it. Routes that you add with "
        "`samizdat route add` always may.",
    ),
    Option(
        "SAMIZDAT_METRICS",
        "",
        "Where the worker answers with numbers for Prometheus, like 127.0.0.1:9464. Empty: nowhere.",
    ),
    Option("SAMIZDAT_METRICS_TOKEN", "", "Whoever reads the numbers has to say this; needed beyond this machine."),
    Option(
        "SAMIZDAT_CONFIRMATIONS",
        "1000",
        "Mails an hour and organization that ask whether a sign-up was theirs. As many more wait; then forms ask to "
        "come back later. A flood must not spend the good name of a relay.",
    ),
    Option(
        "SAMIZDAT_UPLOADS",
        "2000",
        "Megabytes of uploaded files of one organization that may lie here at a time, waiting to be brought in; at "
        "most 50 uploads. Nobody may fill the disk that all share.",
    ),
    Option(
        "SAMIZDAT_STORAGE",
        "2000",
        "Megabytes of pictures, templates and drafts of one organization. Its exports that wait to be downloaded may "
        "take twice as much. Nobody may fill the disk that all share.",
    ),
    Option("SAMIZDAT_LOG", "text", "text or json: one JSON object a line on standard error."),
    Option("SAMIZDAT_DEBUG", "", "1 shows tracebacks on the command line. Never set it on a server."),
)

_BY_NAME = {option.name: option for option in OPTIONS}


def option(name: str) -> str:
    """The value of an option, as text; its default where the environment does not set it."""
    return os.environ.get(name) or _BY_NAME[name].default


def megabytes(name: str) -> int:
    """The bytes that an option says. Errors: BadOption."""
    try:
        return int(option(name)) * 1_000_000
    except ValueError as wrong:
        raise BadOption(f"{name} has to be a whole number of megabytes, like 2000.") from wrong


def confirmations_an_hour() -> int:
    text = option("SAMIZDAT_CONFIRMATIONS")
    return int(text) if text.isdecimal() else 1000


def inner_networks() -> tuple[private_networks.Network, ...]:
    """What admins' routes may reach beside public addresses. Errors: BadOption."""
    try:
        return private_networks.networks(option("SAMIZDAT_INNER_NETWORKS"))
    except ValueError as error:
        raise BadOption(
            "SAMIZDAT_INNER_NETWORKS is not understood. Write addresses and networks, like 127.0.0.1 10.0.5.0/24."
        ) from error


def data_folder() -> Path:
    return Path(option("SAMIZDAT_DATA")).absolute()


def key_file() -> Path:
    named = option("SAMIZDAT_KEY_FILE")
    if named:
        return Path(named).absolute()
    folder = data_folder()
    return folder.with_name(folder.name + ".key")
