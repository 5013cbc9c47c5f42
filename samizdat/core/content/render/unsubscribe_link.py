"""Unsubscribe links that do not unsubscribe here: of the service that a template or text came from."""

import re
from typing import Literal
from urllib.parse import unquote

type Leaving = Literal["", "foreign", "perhaps"]

# Whose pages let subscribers leave that service's list. Hosts below them count as well.
SERVICES = frozenset({
    "list-manage.com", "list-manage1.com", "list-manage2.com", "mailchi.mp", "mailchimp.com", "sendgrid.net",
    "sendgrid.com", "mandrillapp.com", "mailgun.net", "mailgun.org", "mjt.lu", "mailjet.com", "sendibt2.com",
    "sendibt3.com", "sendinblue.com", "brevo.com", "klclick.com", "klclick1.com", "klaviyo.com", "klaviyomail.com",
    "hubspotlinks.com", "hubspotemail.net", "hs-sites.com", "hubspot.com", "convertkit-mail.com",
    "convertkit-mail2.com",
    "convertkit.com", "kit.com", "cmail19.com", "cmail20.com", "createsend.com", "createsend1.com", "exacttarget.com",
    "sfmc-content.com", "acemlnc.com", "activehosted.com", "rs6.net", "constantcontact.com", "unisender.com",
    "sendpulse.com", "mlsend.com", "mailerlite.com", "getresponse.com", "aweber.com", "substack.com", "beehiiv.com",
    "buttondown.email", "buttondown.com", "moosend.com", "benchmarkemail.com", "icontact.com", "verticalresponse.com",
    "customeriomail.com", "iterable.com", "sendfox.com", "emltrk.com", "actionnetwork.org", "everyaction.com",
    "nationbuilder.com", "salsalabs.org", "zohocampaigns.com", "omnisend.com", "drip.com", "getdrip.com", "emma.com",
    "dotdigital.com", "dotmailer.com", "cleverreach.com", "rapidmail.de", "newsletter2go.com", "sender.net",
    "dashamail.com", "esputnik.com", "mailpoet.com",
})  # fmt: skip
_LEAVES = re.compile(
    r"un-?_?sub|opt-?_?out|leave-?_?list|remove-?_?me|list-?remove|d[eé]sabonn|desuscri|dar(?:se|me)?-?_?de-?_?baja"
    r"|abmeld|abbestell|disiscri|cancela[rm]?-?_?(?:inscri|assin)|odhlas|wypis|отпис|відпис",
    re.IGNORECASE,
)
_SETTINGS = re.compile(r"profile|preferenc|manage|subscription|settings", re.IGNORECASE)
# A merge tag of another service in an address, such as {$unsubscribe}, [unsubscribe] or %unsubscribe_url%.
_TAG = re.compile(r"^(?:https?://)?[\[{%<#$@*|!-]{1,3}[^\s/]{1,80}[\]}%>#$@*|!-]{1,3}$")
_TAG_LEAVES = re.compile(r"un-?_?sub|opt-?_?out|remove|list_?manage|preferences", re.IGNORECASE)


def leaving(url: str, words: str = "") -> Leaving:
    """Whether a link unsubscribes from somebody else's list. words: those of the link, as they are read.

    "foreign": it does, or seems to and leads nowhere; "perhaps": somebody should look.
    """
    url = unquote(url.strip())
    if _TAG.match(url):
        return "foreign" if _TAG_LEAVES.search(url) or _LEAVES.search(words) else ""
    scheme, _colon, rest = url.partition(":")
    host, _slash, path = rest.removeprefix("//").partition("/")
    if scheme.lower() == "mailto":
        return "perhaps" if _LEAVES.search(url) or _LEAVES.search(words) else ""
    if scheme.lower() not in ("http", "https"):
        return "foreign" if _LEAVES.search(words) or _LEAVES.search(url) else ""
    labels = re.split(r"[?#:]", host)[0].lower().split(".")
    known = any(".".join(labels[at:]) in SERVICES for at in range(len(labels)))
    says = _LEAVES.search(f"{host} {path}") or _LEAVES.search(words)
    if known and (says or _SETTINGS.search(path)):
        return "foreign"
    return "perhaps" if says else ""
