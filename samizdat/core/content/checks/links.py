"""Links that tell somebody else who reads, hide where they lead, or do not open where readers live."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from samizdat.core.content.checks.check_input import Readability
from samizdat.core.content.problems import ContentProblem

# Host (and those below it) -> whose click counter it is. They learn who read, when and from where, before the page.
COUNTERS: dict[str, str] = {
    "list-manage.com": "Mailchimp", "list-manage1.com": "Mailchimp", "mailchi.mp": "Mailchimp",
    "sendgrid.net": "SendGrid", "mandrillapp.com": "Mandrill", "mailgun.net": "Mailgun", "mjt.lu": "Mailjet",
    "sendibt2.com": "Brevo", "sendibt3.com": "Brevo", "sendinblue.com": "Brevo", "klclick.com": "Klaviyo",
    "klclick1.com": "Klaviyo", "hubspotlinks.com": "HubSpot", "hs-sites.com": "HubSpot",
    "convertkit-mail.com": "Kit", "convertkit-mail2.com": "Kit",
    "cmail19.com": "Campaign Monitor", "cmail20.com": "Campaign Monitor", "createsend.com": "Campaign Monitor",
    "exacttarget.com": "Salesforce", "acemlnc.com": "ActiveCampaign", "rs6.net": "Constant Contact",
    "unisender.com": "UniSender", "sendpulse.com": "SendPulse", "mlsend.com": "MailerLite",
    "doubleclick.net": "Google", "googleadservices.com": "Google",
    "awstrack.me": "Amazon",
}  # fmt: skip
# What only leads on to another page.
SHORTENERS = frozenset({
    "bit.ly", "bitly.com", "goo.gl", "t.co", "tinyurl.com", "ow.ly", "is.gd", "buff.ly", "clck.ru", "vk.cc", "u.to",
    "cutt.ly", "rb.gy", "shorturl.at", "tiny.cc", "rebrand.ly", "lnkd.in", "fb.me", "t.ly", "trib.al", "dlvr.it",
    "ift.tt", "bl.ink",
})  # fmt: skip
_LEADS_ON = re.compile(
    r"https?://(?:l|lm)\.facebook\.com/l\.php|https?://(?:www\.)?google\.[a-z.]+/url\?|https?://vk\.com/away"
    r"|https?://(?:[\w-]+\.)?safelinks\.protection\.outlook\.com|https?://urldefense\.",
    re.IGNORECASE,
)
# Parameters that belong to one person or press, with whose they are.
OF_A_PERSON: dict[str, str] = {
    "fbclid": "Meta", "igshid": "Meta", "igsh": "Meta", "gclid": "Google", "dclid": "Google", "wbraid": "Google",
    "gbraid": "Google", "gad_source": "Google", "msclkid": "Microsoft", "yclid": "Yandex", "ysclid": "Yandex",
    "twclid": "X", "ttclid": "TikTok", "mc_eid": "Mailchimp", "_hsenc": "HubSpot", "_hsmi": "HubSpot",
    "mkt_tok": "Marketo", "vero_id": "Vero", "_kx": "Klaviyo", "_ke": "Klaviyo", "oly_enc_id": "Omeda",
}  # fmt: skip
# Parameters that tell the other site from which letter a reader comes.
OF_A_LETTER = frozenset({
    "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "utm_id", "mc_cid", "_openstat",
})  # fmt: skip

# By host, for the state a house fears: where a reader without a way around sees an error. An organization's own list
# takes its place. Roskomnadzor's register changes weekly; these were closed for years or are large (as of 2026).
BLOCKED: dict[str, tuple[str, ...]] = {
    "ru": (
        "facebook.com", "instagram.com", "threads.net", "twitter.com", "x.com", "linkedin.com", "discord.com",
        "signal.org", "youtube.com", "youtu.be", "bbc.com", "dw.com", "svoboda.org", "currenttime.tv", "meduza.io",
        "novayagazeta.eu", "theins.ru", "theins.press", "zona.media", "holod.media", "istories.media", "verstka.media",
        "thebell.io", "moscowtimes.ru", "themoscowtimes.com", "republic.ru", "tvrain.tv", "ovd.info", "ovdinfo.org",
        "golosinfo.org", "memohrc.org", "bellingcat.com", "novayagazeta.ru", "proekt.media", "agents.media",
        "graniru.org", "kasparov.ru", "soundcloud.com", "patreon.com",
    ),
}  # fmt: skip


def look(reading: Readability) -> Iterator[ContentProblem]:
    seen: set[tuple[str, str]] = set()
    for url in reading.links:
        host = host_of(url)
        for code, values in _of_link(reading, url, host):
            key = code, host + values.get("names", "")
            if key not in seen:  # Asked first: where a link stands is looked for in the whole letter.
                seen.add(key)
                yield reading.flaw(code, url, host, host=host, **values)


def _of_link(reading: Readability, url: str, host: str) -> Iterator[tuple[str, dict[str, str]]]:
    """What is wrong with it: codes and values besides the host."""
    if not host or host in reading.own:
        return
    if whose := _counter(host, url):
        yield "link_counter", {"whose": whose}
    elif _LEADS_ON.match(url) or known_in(host, SHORTENERS):
        yield "link_short", {}
    names = [name for name, _ in parse_qsl(_query(url), keep_blank_values=True)]
    persons = [name for name in names if name.lower() in OF_A_PERSON]
    if persons:
        yield "link_person", {"names": ", ".join(persons), "whose": OF_A_PERSON[persons[0].lower()]}
    letters = [name for name in names if name.lower() in OF_A_LETTER]
    if letters:
        yield "link_letter", {"names": ", ".join(dict.fromkeys(letters))}
    if known_in(host, reading.blocked):
        yield "link_blocked", {}


def host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def _query(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:
        return ""


def known_in(host: str, hosts: frozenset[str]) -> bool:
    """Whether a host or one above it is in the set."""
    labels = host.split(".")
    return any(".".join(labels[at:]) in hosts for at in range(len(labels) - 1)) or host in hosts


def _counter(host: str, url: str) -> str:
    labels = host.split(".")
    for at in range(len(labels) - 1):
        if whose := COUNTERS.get(".".join(labels[at:])):
            return whose
    return ""


def clean_hosts(text: str) -> tuple[list[str], list[str]]:
    """(hosts, what is none) of a pasted list: addresses, hosts, one a line or with commas; each once, in order."""
    good: dict[str, None] = {}
    bad: dict[str, None] = {}
    for word in re.split(r"[\s,;]+", text):
        if not word:
            continue
        host = host_of(word if "://" in word else f"https://{word}").rstrip(".")
        try:
            host = host.encode("idna").decode() if not host.isascii() else host
        except UnicodeError:
            host = ""
        if re.fullmatch(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){1,8}", host):
            good[host] = None
        else:
            bad[word[:60]] = None
    return [*good], [*bad]
