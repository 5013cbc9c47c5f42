"""Access tokens for mailboxes at providers that take no passwords: what is shown there by XOAUTH2.

https://developers.google.com/workspace/gmail/imap/xoauth2-protocol (IMAP and POP3)
"""

from msgspec import structs

from samizdat import plugins
from samizdat.core.private_networks import Network
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.settings import MailboxSettings

_FAULTS = {"sign_in_over": "token_expired", "oauth_client": "oauth_client"}


def access_token(settings: MailboxSettings, allowed: tuple[Network, ...] | None) -> str:
    """allowed: inner networks that its sign-in server may be in; None: all. Errors: MailboxFault."""
    try:
        return plugins.access_token(settings.host, _options(settings), settings.password, settings.user, allowed)
    except plugins.BadRoute:
        raise MailboxFault("oauth_client") from None
    except plugins.RouteDown as down:
        raise MailboxFault(_FAULTS.get(down.verdict.reason, "no_token")) from None


def renewed(settings: MailboxSettings) -> MailboxSettings | None:
    """With the refresh token that its sign-in server gave to this process since; None for nothing new."""
    if not settings.client:
        return None
    secret = plugins.renewed_secret(settings.host, _options(settings), settings.password, settings.user)
    return structs.replace(settings, password=secret) if secret else None


def _options(settings: MailboxSettings) -> dict[str, str]:
    return {"client": settings.client, "tenant": settings.tenant, "token_url": settings.token_url}
