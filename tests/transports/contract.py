"""Fakes of whoever stands at the other end, one for each transport, that all understand the same few orders.

A new transport gets its fake here, and with it every test of test_contract.py.
"""

import contextlib
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from tests import http_server as api
from tests import smtp_server as smtp
from tests.token_server import TokenServer

SECRET = "s3cr3t-key-of-the-route"

ODD = ("megabytes", "endless", "non-ascii", "gaps", "wrong code", "nonsense")


class Fake:
    """What the tests ask of a fake. `recipient` None: everybody."""

    name: ClassVar[str] = ""
    url = ""
    nowhere = ""  # the same, where nobody is
    # At most so many messages a connection has in hand: SMTP sends the envelope of the next beside the end of one.
    in_hand: ClassVar[int] = 1

    @property
    def taken(self) -> list[str]:
        """To whom letters came, also those that got no answer."""
        raise NotImplementedError

    @property
    def contents(self) -> list[bytes]:
        raise NotImplementedError

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.taken)

    def refuse_recipient(self, recipient: str) -> None:
        raise NotImplementedError

    def refuse_message(self, recipient: str) -> None:
        raise NotImplementedError

    def refuse_everybody_alike(self) -> None:
        """In words that speak of nobody's account."""
        raise NotImplementedError

    def throttle(self) -> None:
        """Asks for 92 seconds."""
        raise NotImplementedError

    def suspend(self) -> None:
        """The account is closed; the secret of the route stands in the answer where that is possible."""
        raise NotImplementedError

    def close_account(self) -> bool:
        """What it says of the account beside any letter. False: it says nothing."""
        return False

    def cut_off_early(self, recipient: str | None) -> None:
        """Hangs up before the letter was handed over."""
        raise NotImplementedError

    def cut_off(self, recipient: str | None) -> None:
        """Takes the letter and hangs up."""
        raise NotImplementedError

    def hang(self, recipient: str | None) -> None:
        """Takes the letter and says nothing more."""
        raise NotImplementedError

    def say(self, odd: str, recipient: str) -> None:
        """One of ODD, and no yes."""
        raise NotImplementedError

    def be_slow(self) -> None:
        raise NotImplementedError


class FakeSmtp(Fake):
    name = "smtp"
    in_hand = 2

    def __init__(self, server: smtp.ScriptedServer) -> None:
        self.server = server
        self.url = server.url_for("smtp+plain", user="ada", password=SECRET)
        self.nowhere = "smtp+plain://127.0.0.1:1"

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path) -> Iterator["FakeSmtp"]:
        with smtp.ScriptedServer(users={"ada": SECRET}) as server:
            yield cls(server)

    @property
    def taken(self) -> list[str]:
        return [caught.recipient for caught in self.server.messages]

    @property
    def contents(self) -> list[bytes]:
        return [caught.content for caught in self.server.messages]

    def refuse_recipient(self, recipient: str) -> None:
        self.server.on("rcpt", "550 5.1.1 no such user", recipient=recipient)

    def refuse_message(self, recipient: str) -> None:
        self.server.on("final", "554 5.6.0 too many pictures", recipient=recipient)

    def refuse_everybody_alike(self) -> None:
        self.server.on("rcpt", "550 5.7.1 go away")

    def throttle(self) -> None:
        self.server.on("mail", "550 Too many messages. Try again in 92 seconds.")

    def suspend(self) -> None:
        self.server.on("mail", "550 5.7.1 Your account has been suspended")

    def cut_off_early(self, recipient: str | None) -> None:
        self.server.on("data", smtp.HANG_UP, recipient=recipient)

    def cut_off(self, recipient: str | None) -> None:
        self.server.on("final", smtp.HANG_UP, recipient=recipient)

    def hang(self, recipient: str | None) -> None:
        self.server.on("final", smtp.STALL, recipient=recipient)

    def say(self, odd: str, recipient: str) -> None:
        answers: dict[str, Any] = {
            "megabytes": smtp.giant(5_000_000, 550),
            "endless": smtp.endless(550),
            "non-ascii": "550 5.7.1 нет\xff\r\n".encode("latin-1", "replace"),
            "gaps": b"550-5.7.1 no\r\n\r\n550-\r\n550 5.7.1 no\r\n",
            "wrong code": b"999 what\r\n",
            "nonsense": b"\xff\xfe\x00<html>\r\n",
        }
        self.server.on("final", answers[odd], recipient=recipient)

    def be_slow(self) -> None:
        self.server.latency = 0.03


class FakeOAuthSmtp(FakeSmtp):
    name = "smtp+oauth"

    def __init__(self, server: smtp.ScriptedServer, tokens: TokenServer, ca: Path) -> None:
        super().__init__(server)
        options = {"client": "app", "token_url": tokens.url, "ca": ca}
        self.url = server.url_for("smtp+oauth", host="localhost", user="ada", password=SECRET, **options)
        self.nowhere = f"smtp+oauth://ada:{SECRET}@127.0.0.1:1?client=app&token_url={tokens.url}"

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path) -> Iterator["FakeOAuthSmtp"]:
        certificates = smtp.Certificates(folder)
        tls = {"tls": "starttls", "certificate": certificates.issued("localhost")}
        with (
            TokenServer(token="the.access.token") as tokens,
            smtp.ScriptedServer(users={"ada": "the.access.token"}, mechanisms=("XOAUTH2",), **tls) as server,
        ):
            yield cls(server, tokens, certificates.ca)


class FakeMailgun(Fake):
    name = "mailgun"

    def __init__(self, server: api.ScriptedApi) -> None:
        self.server = server
        self.url = f"mailgun://{SECRET}@lantern.example?endpoint={server.endpoint}"
        self.nowhere = f"mailgun://{SECRET}@lantern.example?endpoint=http://127.0.0.1:1"

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path) -> Iterator["FakeMailgun"]:
        with api.ScriptedApi() as server:
            yield cls(server)

    @property
    def taken(self) -> list[str]:
        refused = {rule.recipient for rule in self.server.rules if isinstance(rule.answer, api.Reply)}
        return [letter.recipient for letter in self.server.letters if letter.recipient not in refused]

    @property
    def contents(self) -> list[bytes]:
        return [letter.content for letter in self.server.letters]

    def refuse_recipient(self, recipient: str) -> None:
        words = "'to' parameter is not a valid address. please check documentation"
        self.server.on(api.Reply(400, {"message": words}), recipient)

    def refuse_message(self, recipient: str) -> None:
        self.server.on(api.Reply(413, {"message": "Message is too big"}), recipient)

    def refuse_everybody_alike(self) -> None:
        self.server.on(api.Reply(400, {"message": "we do not like it"}))

    def throttle(self) -> None:
        self.server.on(api.Reply(429, {"message": "Too many requests"}, {"Retry-After": "92"}))

    def close_account(self) -> bool:
        self.server.states.append(api.Reply(200, {"domain": {"name": "lantern.example", "state": "disabled"}}))
        return True

    def suspend(self) -> None:
        words = f"Domain lantern.example is not allowed to send: account of {SECRET} disabled"
        self.server.on(api.Reply(403, {"message": words}))

    def cut_off_early(self, recipient: str | None) -> None:
        self.server.on(api.HANG_UP_EARLY, recipient)

    def cut_off(self, recipient: str | None) -> None:
        self.server.on(api.HANG_UP, recipient)

    def hang(self, recipient: str | None) -> None:
        self.server.on(api.STALL, recipient)

    def say(self, odd: str, recipient: str) -> None:
        answers: dict[str, api.Answer] = {
            "megabytes": api.Reply(400, {"message": "no " * 2_000_000}),
            "endless": api.Endless(500),
            "non-ascii": api.Reply(400, b'{"message": "\xff\xfe \xd0\xbd\xd0\xb5\xd1\x82"}'),
            "gaps": api.Reply(500, b"no\r\n\r\n\r\n\r\nno"),
            "wrong code": api.Reply(299, {"status": "what"}),
            "nonsense": b"\xff\xfe\x00 what\r\n\r\n",
        }
        self.server.on(answers[odd], recipient)

    def be_slow(self) -> None:
        self.server.latency = 0.03


class FakeSes(FakeMailgun):
    name = "ses-api"

    def __init__(self, server: api.ScriptedApi) -> None:
        super().__init__(server)
        self.url = f"ses-api://AKIDEXAMPLE:{SECRET}@eu-central-1?endpoint={server.endpoint}"
        self.nowhere = f"ses-api://AKIDEXAMPLE:{SECRET}@eu-central-1?endpoint=http://127.0.0.1:1"

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path) -> Iterator["FakeSes"]:
        with api.ScriptedApi(dialect=api.SES) as server:
            server.on(ses_error("BadRequestException", "1 validation error detected"), "")
            yield cls(server)

    def refuse_recipient(self, recipient: str) -> None:
        self.server.on(ses_error("BadRequestException", "Local address contains control or whitespace"), recipient)

    def refuse_message(self, recipient: str) -> None:
        self.server.on(ses_error("MessageRejected", "Expected ';', got \"x\""), recipient)

    def throttle(self) -> None:
        answer = ses_error("TooManyRequestsException", "Maximum sending rate exceeded.", 429, {"Retry-After": "92"})
        self.server.on(answer)

    def close_account(self) -> bool:
        self.server.states.append(api.Reply(200, {"SendingEnabled": False, "EnforcementStatus": "SHUTDOWN"}))
        return True

    def suspend(self) -> None:
        self.server.on(ses_error("AccountSuspendedException", f"The account of {SECRET} is restricted"))


def ses_error(kind: str, message: str, status: int = 400, headers: dict[str, str] | None = None) -> api.Reply:
    return api.Reply(
        status, {"message": message}, {"x-amzn-ErrorType": f"{kind}:http://internal.amazon.com/"} | (headers or {})
    )


class FakeJsonApi(FakeMailgun):
    """One that is spoken to in JSON, and whose key and host stand in the URL."""

    dialect: ClassVar[api.Dialect]
    host: ClassVar[str] = ""

    def __init__(self, server: api.ScriptedApi) -> None:
        super().__init__(server)
        self.url = f"{self.name}://{SECRET}@{self.host}?endpoint={server.endpoint}"
        self.nowhere = f"{self.name}://{SECRET}@{self.host}?endpoint=http://127.0.0.1:1"

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path) -> Iterator["FakeJsonApi"]:
        with api.ScriptedApi(dialect=cls.dialect) as server:
            yield cls(server)

    def close_account(self) -> bool:
        return False


class FakePostmark(FakeJsonApi):
    name = "postmark-api"
    dialect = api.POSTMARK
    host = "broadcast"

    def no(self, code: int, message: str, recipient: str | None = None) -> None:
        self.server.on(api.Reply(422, {"ErrorCode": code, "Message": message}), recipient)

    def refuse_recipient(self, recipient: str) -> None:
        self.no(406, f"You tried to send to recipient(s) that have been marked as inactive: {recipient}.", recipient)

    def refuse_message(self, recipient: str) -> None:
        self.no(300, "Invalid 'Attachments'.", recipient)

    def suspend(self) -> None:
        self.no(413, f"Your account with {SECRET} is not allowed to send.")


class FakeSendGrid(FakeJsonApi):
    name = "sendgrid-api"
    dialect = api.SENDGRID
    host = "api.sendgrid.com"

    def no(self, status: int, message: str, field: str | None = None, recipient: str | None = None) -> None:
        self.server.on(api.Reply(status, {"errors": [{"message": message, "field": field, "help": None}]}), recipient)

    def refuse_recipient(self, recipient: str) -> None:
        self.no(400, "Does not contain a valid address.", "personalizations.0.to.0.email", recipient)

    def refuse_message(self, recipient: str) -> None:
        self.no(400, "The attachment content must be base64 encoded.", "attachments.0.content", recipient)

    def suspend(self) -> None:
        self.no(403, f"Your account of {SECRET} was suspended.")


class FakeBrevo(FakeJsonApi):
    name = "brevo-api"
    dialect = api.BREVO
    host = "api.brevo.com"

    def no(self, status: int, code: str, message: str, recipient: str | None = None) -> None:
        self.server.on(api.Reply(status, {"code": code, "message": message}), recipient)

    def refuse_recipient(self, recipient: str) -> None:
        self.no(400, "invalid_parameter", "email is not valid in to", recipient)

    def refuse_message(self, recipient: str) -> None:
        self.no(400, "missing_parameter", "subject is missing", recipient)

    def suspend(self) -> None:
        self.no(403, "permission_denied", f"Your account {SECRET} is suspended.")


SCRIPT = """#!/bin/sh
here="$(dirname "$0")"
cat >"$here/out/$$.part"
recipient="$(awk '/^$/{{exit}} /^[^ ]/{{to=0}} /^To:/{{to=1}} to' "$here/out/$$.part" \\
    | tr -d '\\n' | sed 's/.*<//; s/>.*//; s/^To: *//')"
take() {{
    printf '%s' "$recipient" >"$here/out/$$.to"
    mv "$here/out/$$.part" "$here/out/$$.eml"
}}
printf '%s\\n' "$@" >"$here/arguments"
env >"$here/environment"
{rules}
{pause}
take
"""


class FakeSendmail(Fake):
    name = "sendmail"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rules: list[str] = []
        self.pause = ""
        self.command = folder / "sendmail"
        (folder / "out").mkdir()
        self.url, self.nowhere = f"sendmail://{self.command}", f"sendmail://{folder}/nothing"
        self.write()

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path) -> Iterator["FakeSendmail"]:
        yield cls(folder)

    def write(self) -> None:
        self.command.write_text(SCRIPT.format(rules="\n".join(self.rules), pause=self.pause))
        self.command.chmod(stat.S_IRWXU)

    def on(self, does: str, recipient: str | None = None) -> None:
        """A piece of shell instead of taking the letter."""
        self.rules.append(f'case "$recipient" in {recipient or "*"}) {does};; esac')
        self.write()

    def _files(self) -> list[Path]:
        return sorted((self.folder / "out").glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)

    @property
    def taken(self) -> list[str]:
        return [file.with_suffix(".to").read_text() for file in self._files()]

    @property
    def contents(self) -> list[bytes]:
        return [file.read_bytes().replace(b"\n", b"\r\n") for file in self._files()]

    def refuse_recipient(self, recipient: str) -> None:
        self.on('echo "$recipient... User unknown" >&2; exit 67', recipient)

    def refuse_message(self, recipient: str) -> None:
        self.on("echo 'Message is too large' >&2; exit 65", recipient)

    def refuse_everybody_alike(self) -> None:
        self.on("echo 'go away' >&2; exit 65")

    def throttle(self) -> None:
        self.on(
            "echo 'sendmail: recipient address not accepted by the server'; "
            "echo 'sendmail: server message: 550 Too many messages. Try again in 92 seconds.'; exit 69"
        )

    def suspend(self) -> None:
        self.on("echo 'sendmail: server message: 550 5.7.1 Your account has been suspended' >&2; exit 69")

    def cut_off_early(self, recipient: str | None) -> None:
        raise NotImplementedError("whether a command was ended before it took the letter cannot be known")

    def cut_off(self, recipient: str | None) -> None:
        self.on("take; kill -9 $$", recipient)

    def hang(self, recipient: str | None) -> None:
        self.on("take; sleep 3600", recipient)

    def say(self, odd: str, recipient: str) -> None:
        words = {
            "megabytes": "head -c 5000000 /dev/zero | tr '\\0' 'n'; exit 69",
            "endless": "while :; do echo no no no no no no no no; done",
            "non-ascii": "printf '\\377\\376 нет\\n'; exit 69",
            "gaps": "printf 'no\\n\\n\\n\\nno\\n'; exit 69",
            "wrong code": "exit 217",
            "nonsense": "printf '\\000\\001<html>'; exit 1",
        }
        self.on(words[odd], recipient)

    def be_slow(self) -> None:
        self.pause = "sleep 0.03"
        self.write()


class FakeFolder(Fake):
    """A folder refuses nobody and asks for no patience: it is there and has room, or not."""

    name = "folder"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url, self.nowhere = f"folder://{folder}", f"folder://{folder}/nothing"

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path) -> Iterator["FakeFolder"]:
        yield cls(folder)

    @property
    def contents(self) -> list[bytes]:
        return [file.read_bytes() for file in sorted(self.folder.glob("*.eml"))]

    @property
    def taken(self) -> list[str]:
        return [content.split(b"\r\n")[0].removeprefix(b"To: ").decode() for content in self.contents]

    def suspend(self) -> None:
        self.folder.rmdir()

    def be_slow(self) -> None:
        pass


FAKES: dict[str, Any] = {
    fake.name: fake
    for fake in (
        FakeSmtp,
        FakeOAuthSmtp,
        FakeMailgun,
        FakeSes,
        FakePostmark,
        FakeSendGrid,
        FakeBrevo,
        FakeSendmail,
        FakeFolder,
    )
}

# What a folder cannot do.
ANSWERING: dict[str, Any] = {name: fake for name, fake in FAKES.items() if name != "folder"}
# Where it can be known that a letter was not handed over although the way broke.
TELLING: dict[str, Any] = {name: fake for name, fake in ANSWERING.items() if name != "sendmail"}

# Routes that cannot be, and a word of the sentence that each gets at the door.
BAD_ROUTES = (
    ("mailgun://", "host"),
    ("mailgun://lantern.example", "key"),
    ("mailgun://@lantern.example", "key"),
    ("mailgun://SECRET@", "host"),
    ("mailgun://SECRET@localhost", "domain"),
    ("mailgun://SECRET@lantern.example:587", "domain"),
    ("mailgun://SECRET@lantern.example:0", "port"),
    ("mailgun://SECRET@lantern.example:99999", "port"),
    ("mailgun://SECRET@lantern.example/v3", "domain"),
    ("mailgun://SECRET@lantern.example?region=asia", "eu or us"),
    ("mailgun://SECRET@lantern.example?color=blue", "color"),
    ("mailgun://SECRET@lantern.example?timeout=0", "timeout"),
    ("mailgun://SECRET@lantern.example?timeout=-3", "timeout"),
    ("mailgun://SECRET@lantern.example?connect=soon", "connect"),
    ("mailgun://SECRET@lantern.example?endpoint=http://api.example.org", "endpoint"),
    ("mailgun://SECRET@lantern.example?endpoint=http://127.0.0.1.example.org", "endpoint"),
    ("mailgun://SECRET@lantern.example?endpoint=http://127.0.0.1@api.example.org", "endpoint"),
    ("mailgun://SECRET@lantern.example?endpoint=https://me:SECRET@api.example.org", "endpoint"),
    ("mailgun://SECRET@lantern.example?endpoint=ftp://api.example.org", "endpoint"),
    ("mailgun://SECRET@lantern.example?endpoint=https://", "endpoint"),
    ("mailgun://SECRET@lantern.example?endpoint=https://[::1", "endpoint"),
    ("mailgun://SECRET@lantern.example?endpoint=https://api.example.org:x", "endpoint"),
    ("mailgun://SECRET%00@lantern.example", "user name"),
    ("mailgun://SECRET%0d%0aX:@lantern.example", "user name"),
    ("sendmail://", "three slashes"),
    ("sendmail:///", "three slashes"),
    ("sendmail://usr/sbin/sendmail", "three slashes"),
    ("sendmail:///usr/sbin/", "three slashes"),
    ("sendmail:///usr/sbin/send%00mail", "three slashes"),
    ("sendmail:///usr/sbin/sendmail?helo=x", "helo"),
    ("sendmail:///usr/sbin/sendmail?timeout=nan", "timeout"),
    ("folder://srv/outbox", "three slashes"),
    ("folder:///srv%0aoutbox", "three slashes"),
    ("smtp://ada:SECRET@relay.example:0", "port"),
    ("smtps://ada:SECRET@relay.example?fingerprint=sha1:abc", "fingerprint"),
    ("pigeon://SECRET@loft", "pigeon"),
    ("smtp+oauth://:SECRET@relay.example?client=app", "user name"),
    ("smtp+oauth://ada:SECRET@smtp.gmail.com", "client ID"),
    ("smtp+oauth://ada:SECRET@smtp.gmail.com?client=app", "refresh token"),
    ("smtp+oauth://ada:SECRET@smtp.office365.com?client=app", "tenant"),
    ("smtp+oauth://ada:SECRET@relay.example?client=app", "token_url"),
    ("ses-api://AK:SECRET@lantern.example", "region"),
    ("ses-api://AK:SECRET@eu-central-1:443", "region"),
    ("ses-api://AK:SECRET@eu-central-1/v2", "region"),
    ("ses-api://SECRET@eu-central-1", "access key"),
    ("ses-api://A%0aK:SECRET@eu-central-1", "user name"),
    ("ses-api://A-K:SECRET@eu-central-1", "access key"),
    ("ses-api://AK:SECRET@eu-central-1?endpoint=http://api.example.org", "endpoint"),
    ("postmark-api://SECRET@two.streams", "message stream"),
    ("postmark-api://SECRET@broadcast/email", "message stream"),
    ("postmark-api://@broadcast", "key"),
    ("sendgrid-api://SECRET@api.sendgrid.example", "api.eu.sendgrid.com"),
    ("sendgrid-api://@api.sendgrid.com", "key"),
    ("sendgrid-api://SECRET@api.sendgrid.com?color=blue", "color"),
    ("brevo-api://SECRET@smtp-relay.brevo.com", "api.brevo.com"),
    ("brevo-api://@api.brevo.com", "key"),
    ("smtp//relay.example", "URL"),
)
