"""What is found in files of the server beside the data folder: the log that `serve` writes, and the certificate for
incoming email."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from samizdat.health import surroundings
from samizdat.health.findings import Finding
from samizdat.health.surroundings import certificate_left
from samizdat.options import option

# Bytes of a log above which nobody seems to rotate it.
LONG = 1 << 30


def log_file(process: Path | None = None) -> Iterator[Finding]:
    """Where `serve` writes its log into a file, and not to the journal of the system. process: its /proc/NUMBER."""
    process = process or surroundings.supervisor()
    try:
        path = Path(os.readlink(process / "fd/2")) if process else None
        facts = path.stat() if path else None
    except OSError:
        return
    if path is None or facts is None or not stat.S_ISREG(facts.st_mode):
        return
    values = {"path": path, "size": facts.st_size >> 20}
    if stat.S_IMODE(facts.st_mode) & 0o077:
        sentence = _("Other users of this server can open the log %(path)s. Run: %(command)s")
        yield Finding("logs.open", "amber", _("log"), sentence, values | {"command": f"chmod 600 {path}"})
    elif facts.st_size > LONG:
        sentence = _("The log %(path)s has %(size)s MB. Have logrotate shorten it, or let the system keep the log.")
        yield Finding("logs.long", "amber", _("log"), sentence, values)
    else:
        yield Finding("logs.kept", "good", _("log"), _("%(path)s has %(size)s MB."), values)


def mail_certificate(now: datetime) -> Iterator[Finding]:
    """The one that other servers see when they bring email here."""
    named = option("SAMIZDAT_MAIL_CERTIFICATE")
    if not named or not option("SAMIZDAT_SMTP"):
        return
    values: dict[str, object] = {"protocol": "SMTP", "path": named}
    about = _("mail by %(protocol)s")
    try:
        ends = x509.load_pem_x509_certificates(Path(named).read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError):
        sentence = _("The certificate %(path)s can't be read. Name a file with the certificate and its key.")
        yield Finding("mail.certificate", "red", about, sentence, values)
        return
    days, urgency = certificate_left(ends, now.astimezone(UTC))
    values |= {"days": days}
    if urgency:
        sentence = ngettext_lazy(
            "The certificate %(path)s expires in %(days)s day. Renew it, and restart `samizdat serve`.",
            "The certificate %(path)s expires in %(days)s days. Renew it, and restart `samizdat serve`.",
            days,
        )
        yield Finding("mail.certificate-ends", urgency, about, sentence, values)
        return
    sentence = ngettext_lazy(
        "Its certificate is valid for %(days)s day.", "Its certificate is valid for %(days)s days.", days
    )
    yield Finding("mail.certificate-valid", "good", about, sentence, values)
