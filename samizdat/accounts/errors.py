"""What accounts refuse; each sentence says what to do."""

from django.utils.translation import gettext as _


class AccountError(Exception):
    """`code` for the API, the text for the person."""

    code = "account"


class NameTaken(AccountError):
    code = "name_taken"


class AlreadyHere(AccountError):
    code = "already_here"


class LastAdmin(AccountError):
    code = "last_admin"


class AccountLocked(AccountError):
    code = "account_locked"


class InvitationGone(AccountError):
    code = "invitation_gone"


class InvitationWaits(AccountError):
    code = "invitation_waits"


class PasswordWeak(AccountError):
    code = "password_weak"


class NoSuchOrganization(AccountError):
    code = "no_such_organization"


def link_in_name() -> str:
    """Of an organization, a list or a form (core/mail/names.py)."""
    return _(
        "Emails show this name to people who don’t know you yet, so it can’t contain an address or a line break. "
        "Write, for example, “Lantern” instead of “lantern.org”."
    )
