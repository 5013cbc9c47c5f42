"""Where mailboxes of known providers are: what a form fills in, and whoever adds a mailbox may change. The ports are
the usual ones, 993 and 995.

Hosts, ports and what the user name is, as Thunderbird's list has them (ispdb): https://github.com/thunderbird/autoconfig.
mailbox.org: https://kb.mailbox.org/en/private/e-mail/e-mail-configuration. Microsoft, IMAP and POP3 with OAuth alone:
https://support.microsoft.com/office/8361e398-8af4-4e97-b147-6c6c4ac95353. App passwords of GMX:
https://hilfe.gmx.net/sicherheit/2fa/anwendungsspezifisches-passwort.html.
"""

from collections.abc import Mapping
from typing import NamedTuple

from django.utils.translation import gettext_lazy as _

APP_PASSWORD = _("Create an app password for Samizdat in your account’s security settings, and enter it here.")


class MailboxProvider(NamedTuple):
    """pop3: host; "" where it has none. help: what to do there first."""

    label: str
    imap: str
    pop3: str = ""
    help: object = ""

    def host(self, protocol: str) -> str:
        return self.imap if protocol == "imap" else self.pop3


PROVIDERS: Mapping[str, MailboxProvider] = {
    "fastmail": MailboxProvider("Fastmail", "imap.fastmail.com", "pop.fastmail.com", APP_PASSWORD),
    "gmail": MailboxProvider("Gmail, Google Workspace", "imap.gmail.com", "pop.gmail.com", APP_PASSWORD),
    "gmx": MailboxProvider(
        "GMX",
        "imap.gmx.net",
        "pop.gmx.net",
        _(
            "Turn on POP3 and IMAP in the settings of your mailbox. With two-factor authentication, create an app "
            "password."
        ),
    ),
    "icloud": MailboxProvider(
        "iCloud",
        "imap.mail.me.com",
        "",
        _(
            "Create an app-specific password for Samizdat in your Apple account. The user name is the part of your "
            "address before the @."
        ),
    ),
    "mail_ru": MailboxProvider("Mail.ru", "imap.mail.ru", "pop.mail.ru", APP_PASSWORD),
    "mailbox_org": MailboxProvider(
        "mailbox.org",
        "imap.mailbox.org",
        "pop3.mailbox.org",
        _("With two-factor authentication, create an application password in the settings, under Security."),
    ),
    "microsoft": MailboxProvider(
        "Microsoft 365, Outlook.com",
        "outlook.office365.com",
        "outlook.office365.com",
        _("Microsoft takes no passwords. Register an application, and enter its client ID and secret below."),
    ),
    "migadu": MailboxProvider("Migadu", "imap.migadu.com", "pop.migadu.com"),
    "posteo": MailboxProvider("Posteo", "posteo.de", "posteo.de"),
    "yahoo": MailboxProvider("Yahoo", "imap.mail.yahoo.com", "pop.mail.yahoo.com", APP_PASSWORD),
    "yandex": MailboxProvider(
        "Yandex",
        "imap.yandex.com",
        "pop.yandex.com",
        _(
            "Allow access by IMAP or POP3 in the settings of your mailbox, under Email clients, and create an app "
            "password for Samizdat."
        ),
    ),
}
