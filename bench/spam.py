"""Our starter templates as a spam filter sees them: rspamd, with SPF, DKIM and DMARC right in a zone of Knot DNS.

python -m bench spam [--symbols]

A whole installation signs and sends each starter in English and Russian, with and without an image; links lead to the
sender's own domain. rspamd (apt-get install rspamd knot) has its default settings, but asks nobody outside: no block
lists, fuzzy hashes and maps. Wanted: at most 0 points, and SPF, DKIM and DMARC that pass.
"""

import argparse
import http.client
import json
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from importlib.resources import files
from pathlib import Path

from bench import common
from tests import knot
from tests.campaigns.filled_starters import filled_in
from tests.incoming.mail_servers import HOST, PATHS, READERS, Installation, Ports, until
from tests.knot import Knot
from tests.ports import free_port
from tests.smtp_server import Caught, ScriptedServer

DOMAIN = "lantern.example"
# Of documentation (RFC 5737): rspamd checks no signature of mail from our own network.
ADDRESS = "198.51.100.25"
STARTERS = ("letter", "digest", "appeal", "event", "alert")
LANGUAGES = ("en", "ru")
SUBJECTS = {"en": "Friday in the harbor hall", "ru": "В пятницу в зале у гавани"}
WANTED = ("R_DKIM_ALLOW", "R_SPF_ALLOW", "DMARC_POLICY_ALLOW")
IMAGE = f"https://{DOMAIN}/photo.jpg"
# Of the event itself, beside the button's.
EVENT = f"https://{DOMAIN}/hall"
# rspamd depends on publicsuffix, which has it.
TOP_LEVEL = Path("/usr/share/publicsuffix/effective_tld_names.dat")


@dataclass(frozen=True)
class Letter:
    starter: str
    language: str
    has_image: bool

    def __str__(self) -> str:
        return f"{self.starter}, {self.language}{', with an image' if self.has_image else ''}"

    def body(self) -> str:
        stored = files("samizdat.core").joinpath(f"templates/starters/{self.starter}.{self.language}.json")
        document = json.loads(stored.read_text(encoding="utf-8"))
        return json.dumps(filled_in(document, EVENT, IMAGE if self.has_image else ""))


@dataclass(frozen=True)
class Verdict:
    """symbols: points of each rule that fits."""

    score: float
    symbols: dict[str, float]

    @property
    def is_fine(self) -> bool:
        return self.score <= 0 and all(name in self.symbols for name in WANTED)

    def __str__(self) -> str:
        counted = {name: points for name, points in self.symbols.items() if points}
        return f"{self.score:+.2f}: " + ", ".join(f"{name} {points:+.2f}" for name, points in counted.items())


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench spam", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--symbols", action="store_true", help="Also name rules that give no points.")
    options = parser.parse_args()
    if reason := knot.why_not() or _why_not():
        common.say(reason)
        return 0
    letters = [
        Letter(starter, language, has_image)
        for has_image in (False, True)
        for starter in STARTERS
        for language in LANGUAGES
        if not has_image or starter != "alert"  # It has none.
    ]
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        with sent(folder, letters) as (caught, server), rspamd(folder, server) as port:
            for letter, message in zip(letters, caught, strict=True):
                verdict = judged(message, port)
                common.say(f"{letter}: {verdict}")
                if options.symbols:
                    common.say(f"    {', '.join(sorted(verdict.symbols))}")
                wrong += not verdict.is_fine
    return min(wrong, 1)


def _why_not() -> str:
    return "" if shutil.which("rspamd", path=PATHS) else "rspamd is not installed: apt-get install rspamd"


@contextmanager
def sent(folder: Path, letters: list[Letter]) -> Iterator[tuple[list[Caught], Knot]]:
    """What a mail server is given of each, and the name server that has the sender's zone."""
    place = folder / "installation"
    place.mkdir()
    with ScriptedServer() as relay:
        installation = Installation(place, Ports(relay.port, relay.port, free_port()), "pipe")
        installation.set_up([f"ada@{READERS}"])
        records, hosts = _zone(installation)
        with Knot(records, hosts, ["example", DOMAIN, "100.51.198.in-addr.arpa"]) as server:
            installation.environment["SAMIZDAT_DNS"] = server.place
            numbers = _campaigns(installation, letters)
            with installation.serving():
                states = f"SELECT count(*) FROM campaigns_campaign WHERE state = 'finished' AND id <= {numbers}"
                until(lambda: installation.rows(states) == [(numbers,)], 600)
            yield [_of(relay, number) for number in range(1, numbers + 1)], server


def _zone(installation: Installation) -> tuple[dict[str, list[str]], dict[tuple[str, str], list[str]]]:
    """The records of a domain whose keys sign from now on."""
    [printed] = installation.commands(("domain", "add", DOMAIN, "--json"))
    keys = json.loads(printed)["keys"]
    installation.commands(
        *(("domain", "published", DOMAIN, key["selector"]) for key in keys), ("domain", "activate", DOMAIN)
    )
    policy = {f"_dmarc.{DOMAIN}": [f"v=DMARC1; p=quarantine; rua=mailto:dmarc@{DOMAIN}"]}
    allowed = {name: [f"v=spf1 ip4:{ADDRESS} -all"] for name in (DOMAIN, HOST)}
    hosts = {
        (DOMAIN, "MX"): [f"10 mail.{DOMAIN}."],
        (DOMAIN, "A"): [ADDRESS],
        (HOST, "MX"): [f"10 mail.{DOMAIN}."],
        (f"mail.{DOMAIN}", "A"): [ADDRESS],
        ("25.100.51.198.in-addr.arpa", "PTR"): [f"mail.{DOMAIN}."],
    }
    return {**policy, **allowed, **{key["record"]["name"]: [key["record"]["value"]] for key in keys}}, hosts


def _campaigns(installation: Installation, letters: list[Letter]) -> int:
    """How many."""
    lines: list[tuple[str, ...]] = []
    for number, letter in enumerate(letters, 1):
        body = installation.file(f"{number}.json", letter.body())
        about = ("--subject", f"{SUBJECTS[letter.language]}, {number}", "--from", f"Lantern <news@{DOMAIN}>")
        lines.append(("campaign", "new", "--list", "Readers", *about, "--body", body, "--language", letter.language))
        lines.append(("campaign", "send", str(number), "--yes"))
    installation.commands(*lines)
    return len(letters)


def _of(relay: ScriptedServer, number: int) -> Caught:
    """The email with this number at the end of its subject."""
    parsed = [(message, message_from_bytes(message.content, policy=policy.default)) for message in relay.messages]
    [caught] = [message for message, letter in parsed if letter["Subject"].endswith(f", {number}")]
    return caught


# --- rspamd ---


@contextmanager
def rspamd(folder: Path, server: Knot) -> Iterator[int]:
    """Its port. It runs as nobody, and takes half a minute to start: it compiles its rules."""
    own = folder / "rspamd"
    for name in ("local.d", "data"):
        (own / name).mkdir(parents=True)
    nobody = pwd.getpwnam("nobody")
    shutil.chown(own / "data", nobody.pw_uid, nobody.pw_gid)
    port = free_port()
    # Where .example is no top-level domain, links in a text count for nothing.
    (own / "domains").write_text(TOP_LEVEL.read_text(encoding="utf-8") + "\nexample\n", encoding="utf-8")
    for file, text in _settings(server.place, port, own / "domains").items():
        (own / "local.d" / file).write_text(text)
    folders = {"LOCAL_CONFDIR": own, "DBDIR": own / "data", "RUNDIR": own / "data", "LOGDIR": own / "data"}
    command = [shutil.which("rspamd", path=PATHS) or "rspamd", "-f", "-u", "nobody", "-g", "nogroup"]
    command += [f"--var={name}={path}" for name, path in folders.items()]
    with (own / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=own)
    try:
        until(lambda: _answers(process, port, own / "log"), 600)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _settings(place: str, port: int, domains: Path) -> dict[str, str]:
    off = "enabled = false;\n"
    asks_others = ("rbl", "surbl", "fuzzy_check", "asn", "phishing", "mx_check", "url_redirector")
    return {
        "options.inc": f'dns {{ nameserver = ["{place}:1"]; }}\nmap_watch_interval = 1d;\nurl_tld = "{domains}";\n',
        "logging.inc": 'type = "console";\nlevel = "warning";\n',
        "worker-normal.inc": f'bind_socket = "127.0.0.1:{port}";\ncount = 1;\n',
        "worker-controller.inc": off,
        "worker-proxy.inc": off,
        **{f"{module}.conf": off for module in asks_others},
    }


def _answers(process: "subprocess.Popen[bytes]", port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return _asked(port, "GET", "/ping", {}).startswith(b"pong")
    except (OSError, http.client.HTTPException):
        return False


def _asked(port: int, method: str, path: str, headers: dict[str, str], content: bytes = b"") -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        connection.request(method, path, content, headers)
        return connection.getresponse().read()


def judged(message: Caught, port: int) -> Verdict:
    """As it comes to a mailbox provider from the sender's server."""
    name = f"mail.{DOMAIN}"
    facts = {"IP": ADDRESS, "Helo": name, "Hostname": name, "From": message.sender, "Rcpt": message.recipient}
    answer = json.loads(_asked(port, "POST", "/checkv2", facts, message.content))
    points = {symbol: round(facts["score"], 2) for symbol, facts in answer["symbols"].items()}
    return Verdict(round(answer["score"], 2), points)


if __name__ == "__main__":
    raise SystemExit(main())
