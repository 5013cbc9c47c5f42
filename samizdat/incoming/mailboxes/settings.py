"""Where a mailbox is, as its URL says: imaps://user@host/INBOX, imap:// with STARTTLS, pop3s://, pop3:// with STLS."""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from django.utils.translation import gettext as _
from msgspec import Struct, structs

from samizdat.incoming.errors import IncomingError


class SchemeKind(NamedTuple):
    protocol: str
    encryption: str  # "implicit", "starttls", or "" on this machine alone.
    port: int


SCHEMES: Mapping[str, SchemeKind] = {
    "imaps": SchemeKind("imap", "implicit", 993),
    "imap": SchemeKind("imap", "starttls", 143),
    "imap+plain": SchemeKind("imap", "", 143),
    "pop3s": SchemeKind("pop3", "implicit", 995),
    "pop3": SchemeKind("pop3", "starttls", 110),
    "pop3+plain": SchemeKind("pop3", "", 110),
}


INBOX = "INBOX"
OPTIONS = ("fingerprint", "ca", "client", "tenant", "token_url")


class BadMailbox(IncomingError):
    code = "bad_mailbox"


class MailboxSettings(Struct, frozen=True):
    """Sealed. move_to: the folder that read mail goes to; "": it is deleted. paused: by whom it was; nobody connects
    to it until somebody resumes it, and of one that came with an export, another server may be the reader."""

    scheme: str = ""
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    folder: str = ""
    move_to: str = ""
    fingerprint: str = ""  # SHA-256 of the only certificate that is trusted.
    # By an application of one's own at Google or Microsoft (OAuth) instead of the password: its client ID. The password
    # is then its secret, and behind a space the refresh token.
    client: str = ""
    tenant: str = ""
    token_url: str = ""
    ca: str = ""  # A file of certificates to trust.
    ours: bool = True  # Given on the server itself: it may lead to inner addresses.
    paused: Literal["", "admin", "export"] = ""

    @property
    def kind(self) -> SchemeKind:
        return SCHEMES[self.scheme]

    @property
    def place(self) -> tuple[str, ...]:
        """Which mailbox it is: what is read of one says nothing of another."""
        return self.kind.protocol, self.host, self.user, self.folder

    def reads_as(self, other: "MailboxSettings") -> bool:
        """Whether the same mail is read, and the same becomes of it."""
        return (self.place, self.move_to) == (other.place, other.move_to)

    @property
    def url(self) -> str:
        """As read_url reads it, without the password and what belongs to this server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        folder = f"/{quote(self.folder, safe='')}" if self.kind.protocol == "imap" else ""
        options = {name: getattr(self, name) for name in OPTIONS if name != "ca" and getattr(self, name)}
        query = f"?{urlencode(options)}" if options else ""
        return f"{self.scheme}://{quote(self.user, safe='')}@{host}:{self.port}{folder}{query}"


def read_url(url: str, password: str | None, move_to: str) -> MailboxSettings:
    """password: in place of the URL's. Errors: BadMailbox."""
    parts, port = _split(url)
    kind, options = SCHEMES[parts.scheme], _options(dict(parse_qsl(parts.query)))
    secret = unquote(parts.password or "") if password is None else password
    if not parts.username or not secret:
        raise BadMailbox(_("A mailbox needs a user name and a password. Give it with --password-file or in the URL."))
    folder = unquote(parts.path.strip("/"))
    if kind.protocol == "pop3" and folder:
        raise _without_folders()
    settings = MailboxSettings(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=port or kind.port,
        user=unquote(parts.username),
        password=secret,
        folder=folder or INBOX,
        move_to=move_to,
        fingerprint=read_fingerprint(options.get("fingerprint", "")),
        ca=options.get("ca", ""),
        client=options.get("client", ""),
        tenant=options.get("tenant", ""),
        token_url=options.get("token_url", ""),
    )
    check(settings)
    return settings


def _split(url: str) -> tuple[SplitResult, int]:
    """And its port, 0 for the usual one. Errors: BadMailbox."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or 0
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), 0
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise BadMailbox(_("The URL isn’t understood. Write it like imaps://user@mail.example/INBOX."))
    return parts, port


def changed(kept: MailboxSettings, url: str | None, password: str | None, move_to: str | None) -> MailboxSettings:
    """With what is given in place of what was. A password that isn't given stays, but goes to no other host than
    before. Errors: BadMailbox."""
    move_to = kept.move_to if move_to is None else move_to
    if url is None:
        settings = structs.replace(kept, password=password or kept.password, move_to=move_to)
        check(settings)
        return settings
    parts, _port = _split(url)
    if password is None and not parts.password and parts.hostname == kept.host:
        password = kept.password
    return structs.replace(read_url(url, password, move_to), paused=kept.paused)


def _without_folders() -> BadMailbox:
    return BadMailbox(_("POP3 knows no folders. Leave the folder out and use --delete, or use IMAP."))


def check(settings: MailboxSettings) -> None:
    """Errors: BadMailbox for what doesn't go together."""
    if settings.kind.protocol == "pop3" and settings.move_to:
        raise _without_folders()
    if settings.kind.protocol == "imap" and settings.move_to == settings.folder:
        raise BadMailbox(_("Read mail can’t be moved to the folder it is read from. Choose another folder."))


def _options(options: Mapping[str, str]) -> dict[str, str]:
    """What stands behind the question mark. Errors: BadMailbox."""
    if unknown := options.keys() - {*OPTIONS}:
        raise BadMailbox(_("A mailbox has no option “%(name)s”. Leave it out.") % {"name": min(unknown)})
    return dict(options)


def read_fingerprint(text: str) -> str:
    """Its digits alone. Errors: BadMailbox."""
    digits = re.sub(r"^sha256:|[: ]", "", text.lower().strip())
    if digits and not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise BadMailbox(_("A fingerprint has 64 hexadecimal digits (SHA-256). Copy it again."))
    return digits
