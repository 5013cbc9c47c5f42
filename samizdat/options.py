"""Every option of the house: name, default, help. The page docs/options.md is printed from this table.

Options are environment variables, because the same words then work in a shell, a systemd unit and a container.
"""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from samizdat.core import private_networks

# A year, said to whoever came by https: their browser asks this name by nothing else. Not for names below it, which may
# be somebody else's.
HSTS_SECONDS = 365 * 86400


class BadOption(ValueError):
    """An option holds something that cannot be used; the sentence says what to put there."""


@dataclass(frozen=True, slots=True)
class Option:
    name: str
    default: str
    help: str


OPTIONS = (
    Option("SAMIZDAT_DATA", "./samizdat-data", "The data folder. Keep the key file next to it, never inside."),
    Option(
        "SAMIZDAT_KEY_FILE",
        "",
        "The key file. Default: the name of the data folder with .key. Only its owner may read it.",
    ),
    Option(
        "SAMIZDAT_KEY_COMMAND",
        "",
        "A command that prints the key file, for example `age -d -i /media/usb/id.txt /srv/samizdat/key.age`. It runs "
        "once per start, without a shell. Default: the key file is read.",
    ),
    Option(
        "SAMIZDAT_PASSPHRASE_FILE",
        "",
        "A file with the passphrase of the key file in its first line, for starts without a terminal: for example a "
        "systemd credential (%d/passphrase) or a descriptor (/dev/fd/3). Default: it's asked for.",
    ),
    Option(
        "SAMIZDAT_KEY_SERVICE",
        "",
        "The pairing files of one or two key services, with a space between them. The key comes from there, for as "
        "long as they give it (docs/key-service.md). Default: the key file is read.",
    ),
    Option(
        "SAMIZDAT_KEYSERVICE_FOLDER",
        "./samizdat-keyservice",
        "The folder of `samizdat keyservice`, on the host of the key service.",
    ),
    Option(
        "DATABASE_URL",
        "",
        "postgresql://user:password@host/name to use PostgreSQL. Default: SQLite in the data folder.",
    ),
    Option(
        "SAMIZDAT_GATE_URL",
        "",
        "postgresql://… of the public database, for the public process and with a database role of its own. "
        "Default: `samizdat upgrade` creates both if the database allows it.",
    ),
    Option(
        "SAMIZDAT_COMMAND",
        "",
        "The name of the command in messages that say what to run next. Default: how it was called.",
    ),
    Option(
        "SAMIZDAT_BACKUPS",
        "",
        "The folder with your backups. `samizdat doctor` lists those older than 30 days, because erased "
        "subscribers are still in them, encrypted. Samizdat changes nothing there.",
    ),
    Option("SAMIZDAT_LANGUAGE", "en", "Language of pages and commands until someone chooses one: en or ru."),
    Option(
        "SAMIZDAT_WORDS",
        "",
        "A folder with your own wording for what emails say by default (docs/languages.md). Set it on every "
        "machine that runs a worker or the app.",
    ),
    Option(
        "SAMIZDAT_USER",
        "",
        "User that `serve` and `worker` switch to when root starts them; required then. Set it to root to "
        "stay root, for example in a container.",
    ),
    Option(
        "SAMIZDAT_PUBLIC_USER",
        "",
        "User of the public process when root starts `serve`. Choose one that owns nothing else.",
    ),
    Option("SAMIZDAT_DNS", "", "DNS server for the SPF, DKIM and DMARC checks. Default: the machine’s."),
    Option(
        "SAMIZDAT_PUBLIC_DNS",
        "",
        "Public resolvers that are asked whether they show the records of your sending domains, or `none`. Default: "
        "9.9.9.9 1.1.1.1, and none if SAMIZDAT_DNS is set.",
    ),
    Option(
        "SAMIZDAT_INNER_NETWORKS",
        "",
        "Private addresses and networks that routes added in the app may connect to, for example 127.0.0.1 "
        "10.0.5.0/24. Default: none, so that nobody explores your network through a route. Routes added with "
        "`samizdat route add` may always connect to them.",
    ),
    Option(
        "SAMIZDAT_METRICS",
        "",
        "Address at which the worker serves Prometheus metrics, for example 127.0.0.1:9464. Default: off.",
    ),
    Option(
        "SAMIZDAT_METRICS_TOKEN",
        "",
        "Token that a client must send to read the metrics. Required unless the address is 127.0.0.1 or ::1.",
    ),
    Option(
        "SAMIZDAT_CONFIRMATIONS",
        "1000",
        "Confirmation emails per hour and organization. As many again wait; beyond that, forms ask visitors "
        "to come back later. This keeps a flood of sign-ups from ruining your sender reputation.",
    ),
    Option(
        "SAMIZDAT_API_RATE",
        "10",
        "Requests per second that each API key may send in the long run, and 60 times as many at once.",
    ),
    Option(
        "SAMIZDAT_UPLOADS",
        "2000",
        "Megabytes of uploaded files per organization that may wait to be imported, in at most 50 uploads. "
        "This keeps one organization from filling a shared disk.",
    ),
    Option(
        "SAMIZDAT_STORAGE",
        "2000",
        "Megabytes of images, templates and drafts per organization. Exports waiting to be downloaded may "
        "take twice as much. This keeps one organization from filling a shared disk.",
    ),
    Option(
        "SAMIZDAT_MAIL_STORAGE",
        "1000",
        "Megabytes of incoming email per organization. Above 70%, email that was read is deleted before its 30 days "
        "are over, that of strangers first; above 75%, large email of strangers waits at its mail server. 256 MB of "
        "the disk are always left free. This keeps strangers from filling it.",
    ),
    Option(
        "SAMIZDAT_LMTP",
        "",
        "Where `serve` takes mail by LMTP from a mail server on this machine: 127.0.0.1:2424, or a Unix socket, "
        "unix:/srv/samizdat/lmtp.sock, with ?group=postfix for this group alone (docs/bounces.md). Default: off.",
    ),
    Option(
        "SAMIZDAT_SMTP",
        "",
        "Where `serve` takes mail by SMTP from other mail servers, for example 0.0.0.0:25, if an MX record leads here. "
        "Default: off.",
    ),
    Option(
        "SAMIZDAT_MAIL_NAME",
        "localhost",
        "The name that the SMTP and LMTP listener gives to others: the one of the MX record.",
    ),
    Option(
        "SAMIZDAT_MAIL_CERTIFICATE",
        "",
        "A file with key and certificates for STARTTLS on SAMIZDAT_SMTP. Restart `serve` when it changes. Default: "
        "no STARTTLS.",
    ),
    Option("SAMIZDAT_LOG", "text", "Log format on standard error: text, or json for one JSON object per line."),
    Option("SAMIZDAT_DEBUG", "", "Set to 1 to see tracebacks on the command line. Never on a server."),
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


def api_rate() -> int:
    text = option("SAMIZDAT_API_RATE")
    return max(1, int(text)) if text.isdecimal() else 10


@dataclass(frozen=True, slots=True)
class UnixSocketPlace:
    """group: who may connect; "" for everybody that reaches its folder."""

    path: Path
    group: str = ""


def listening_place(name: str) -> UnixSocketPlace | tuple[str, int] | None:
    """Of SAMIZDAT_LMTP or SAMIZDAT_SMTP: a Unix socket, or (host, port); None for off. Errors: BadOption."""
    text = option(name)
    if not text:
        return None
    path, query, group = text.removeprefix("unix:").partition("?group=")
    if path.startswith("/") and not path.endswith("/") and bool(query) == bool(group):
        return UnixSocketPlace(Path(path), group)
    host, _colon, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        example = "127.0.0.1:2424, or unix: and a whole path" if name == "SAMIZDAT_LMTP" else "0.0.0.0:25"
        raise BadOption(f"{name} is not understood. Write {example}.")
    return host.strip("[]"), int(port)


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


def keyservice_folder() -> Path:
    return Path(option("SAMIZDAT_KEYSERVICE_FOLDER")).absolute()


def key_file() -> Path:
    named = option("SAMIZDAT_KEY_FILE")
    if named:
        return Path(named).absolute()
    folder = data_folder()
    return folder.with_name(folder.name + ".key")


def public_resolvers() -> list[str]:
    """Addresses of resolvers that anybody may ask; [] where none shall be asked. Errors: BadOption."""
    text = option("SAMIZDAT_PUBLIC_DNS") or ("none" if option("SAMIZDAT_DNS") else "9.9.9.9 1.1.1.1")
    if text.strip() == "none":
        return []
    try:
        return [str(ipaddress.ip_address(address)) for address in text.replace(",", " ").split()]
    except ValueError:
        raise BadOption("SAMIZDAT_PUBLIC_DNS has to be IP addresses, like 9.9.9.9 1.1.1.1, or none.") from None
