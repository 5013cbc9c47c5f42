"""Where mailboxes of known providers are: what a form fills in, and whoever adds a mailbox may change. Nobody has
checked them lately: a wrong one shows when the mailbox is added, since we log in then."""

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
        "GMX", "imap.gmx.net", "pop.gmx.net", _("Turn on POP3 and IMAP in the settings of your mailbox.")
    ),
    "icloud": MailboxProvider("iCloud", "imap.mail.me.com", "", APP_PASSWORD),
    "mail_ru": MailboxProvider("Mail.ru", "imap.mail.ru", "pop.mail.ru", APP_PASSWORD),
    "mailbox_org": MailboxProvider("mailbox.org", "imap.mailbox.org", "pop3.mailbox.org"),
    "microsoft": MailboxProvider(
        "Microsoft 365, Outlook.com",
        "outlook.office365.com",
        "",
        _("Microsoft takes no passwords. Register an application, and enter its client ID and secret below."),
    ),
    "migadu": MailboxProvider("Migadu", "imap.migadu.com", "pop.migadu.com"),
    "posteo": MailboxProvider("Posteo", "posteo.de", "posteo.de"),
    "yahoo": MailboxProvider("Yahoo", "imap.mail.yahoo.com", "pop.mail.yahoo.com", APP_PASSWORD),
    "yandex": MailboxProvider(
        "Yandex",
        "imap.yandex.com",
        "pop.yandex.com",
        _("Allow mail programs in the settings of your mailbox, and create an app password for Samizdat."),
    ),
}
