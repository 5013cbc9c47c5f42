"""Why a mailbox could not be read. A code is kept and no words of a server, which may name people."""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from samizdat.incoming.errors import IncomingError

SENTENCES = {
    "no_such_host": _("There’s no host with this name. Check how it’s spelled."),
    "no_names": _("The mail server’s name can’t be looked up in DNS at the moment. We keep trying."),
    "no_connection": _("The mail server can’t be reached. Check host and port; we keep trying."),
    "silent": _("The mail server doesn’t answer. We keep trying."),
    "hung_up": _("The mail server closed the connection. We keep trying."),
    "inside": _("This host is in a private network. Add the mailbox with samizdat mail add on the server."),
    "in_the_clear": _(
        "Without TLS, only a mail server on this machine can be read. Use imaps://, imap:// or pop3s://."
    ),
    "no_starttls": _("The mail server doesn’t offer STARTTLS. Use imaps:// or pop3s://."),
    "certificate": _(
        "The mail server’s certificate isn’t trusted. Check the host name, or enter the fingerprint of the certificate."
    ),
    "fingerprint": _(
        "The mail server’s certificate has changed. Compare it there, then enter the new fingerprint for the mailbox."
    ),
    "tls": _("No encrypted connection is possible. Check the port: 993 for imaps, 995 for pop3s."),
    "password": _("The mail server rejects the user name or password. Enter the right ones for the mailbox."),
    "token_expired": _(
        "The sign-in to the mailbox has expired or was withdrawn. Get a new refresh token, and enter it for the "
        "mailbox."
    ),
    "oauth_client": _(
        "The sign-in server rejects the client ID or its secret. Copy them again from your application at Google or "
        "Microsoft."
    ),
    "no_token": _("The sign-in server gives no access token at the moment. We keep trying."),
    "token": _(
        "The mail server rejects the access token. Check the user name, and that your application may read the mailbox."
    ),
    "no_oauth": _("The mail server doesn’t offer sign-in with OAuth (XOAUTH2). Use a password."),
    "clock": _(
        "The mail server’s certificate has expired or isn’t valid yet. Check the clock of this server, then ask the "
        "provider."
    ),
    "busy": _("The mail server lets nobody in at the moment. We keep trying."),
    "no_folder": _("There’s no such folder in the mailbox. Check how it’s spelled."),
    "no_target": _("The folder that read mail goes to can’t be created. Create it in the mailbox."),
    "not_removed": _(
        "The mail server keeps what we delete or move. Check the permissions and settings of the mailbox."
    ),
    "no_uidl": _("The mail server can’t name messages (UIDL). Use IMAP."),
    "too_long": _("The mail server sends more than a message can have. Check the mailbox with another program."),
    "not_understood": _("The mail server’s answer isn’t understood. Check that this port speaks IMAP or POP3."),
    "full": _("There’s no room for more incoming email at the moment. samizdat doctor says what to do."),
}


class MailboxFault(IncomingError):
    """A mailbox that cannot be read now; code: one of SENTENCES."""

    def __init__(self, code: str) -> None:
        super().__init__(sentence(code))
        self.code = code


def sentence(code: str) -> str:
    """For people; of a code that a newer version wrote, a general one."""
    return str(SENTENCES.get(code, "")) or gettext("The mailbox can’t be read. We keep trying.")
