"""Whether receivers can tell that an email from this sender by this route is genuine, and what to publish where not.

Gmail, Yahoo and Microsoft ask for DMARC and for a signature (DKIM) or a server (SPF) that is aligned with From, and
refuse bulk mail without. A domain that lacks them is stopped before its first email, not after.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from samizdat.core.mail import dkim, dmarc, spf
from samizdat.core.mail.spf import Ask

# Selectors that relays commonly hand out. A key under another name is found only by asking the relay.
SELECTORS = ("default", "dkim", "mail", "s1", "s2", "k1", "k2", "selector1", "selector2", "google", "mta", "samizdat")

# Nobody's: what answers there answers everywhere.
NO_SELECTOR = "no-such-selector"

DMARC_VALUE = "v=DMARC1; p=none"

# By code: what is wrong, then what to type where. Those that end in _good are fine.
SENTENCES = {
    "spf_good": "SPF is valid and needs %(lookups)s of at most 10 DNS look-ups.",
    "spf_missing": "%(domain)s has no SPF record. Add TXT %(domain)s with the value: %(value)s",
    "spf_several": "%(domain)s has %(detail)s SPF records, but only one is allowed. Replace them with one TXT "
    "%(domain)s with the value: %(value)s",
    "spf_everyone": "The SPF record of %(domain)s lets everyone send as you. Replace TXT %(domain)s with the value: "
    "%(value)s",
    "spf_nobody": "The SPF record of %(domain)s allows no server at all. Replace TXT %(domain)s with the value: "
    "%(value)s",
    "spf_lookups": "The SPF record of %(domain)s needs more than 10 DNS look-ups, so receivers ignore it. In TXT "
    "%(domain)s, remove each include: that you don’t use, and write a and mx as ip4: and the address.",
    "spf_void": "The SPF record of %(domain)s names hosts that don’t exist (%(detail)s), so receivers ignore it. "
    "Replace TXT %(domain)s with the value: %(value)s",
    "spf_syntax": "The SPF record of %(domain)s can’t be read at “%(detail)s”. Correct this word in TXT %(domain)s, "
    "or replace the record with the value: %(value)s",
    "spf_include": "The SPF record of %(domain)s includes %(detail)s, which has no valid SPF record. Replace TXT "
    "%(domain)s with the value: %(value)s",
    "spf_provider": "The SPF record of %(domain)s doesn’t allow the provider of this route. Replace TXT %(domain)s "
    "with the value: %(value)s",
    "spf_unanswered": "Unknown: no DNS server answered for the SPF record of %(domain)s. Check the connection, then "
    "press Check again.",
    "dkim_good": "Samizdat signs, and the records are found: %(selectors)s.",
    "dkim_provider": "A DKIM key is published under %(selectors)s.",
    "dkim_provider_unseen": "The provider of this route has to sign, and we can’t see whether it does. Turn on DKIM "
    "for %(domain)s there, and publish the records that it shows.",
    "dkim_none": "Emails from %(domain)s aren’t signed with DKIM. Add %(domain)s under Domains (admins only), publish "
    "its TXT records, then activate the keys.",
    "dkim_waiting": "The keys of %(domain)s don’t sign yet. Publish their records, then activate the keys.",
    "dkim_ready": "The records of our keys are published (%(selectors)s), but the keys don’t sign yet. Activate them.",
    "dkim_missing": "Emails are signed with %(selectors)s, but there is no such record. Add TXT %(name)s with the "
    "value: %(value)s",
    "dkim_other": "The DKIM record of %(selectors)s has another key than the one that signs. Replace TXT %(name)s with "
    "the value: %(value)s",
    "dkim_unreadable": "The DKIM record of %(selectors)s is cut off or damaged. Replace TXT %(name)s with the value: "
    "%(value)s",
    "dkim_revoked": "The DKIM record of %(selectors)s is empty, which means that the key is revoked. Replace TXT "
    "%(name)s with the value: %(value)s",
    "dkim_testing": "The DKIM record of %(selectors)s says that it’s a test (t=y), so receivers may ignore the "
    "signature. Replace TXT %(name)s with the value: %(value)s",
    "dkim_unaligned": "Emails are signed for %(signing)s, which DMARC of %(domain)s doesn’t accept. Add %(domain)s "
    "under Domains (admins only), publish its TXT records, then activate the keys.",
    "dkim_strict": "DMARC of %(place)s accepts signatures of exactly the From domain (adkim=s), but %(signing)s signs "
    "for %(domain)s. Replace TXT _dmarc.%(place)s with the value: %(value)s",
    "dkim_unanswered": "Unknown: no DNS server answered for the DKIM record %(name)s. Check the connection, then press "
    "Check again.",
    "dmarc_good": "DMARC record found at _dmarc.%(place)s. Policy: %(policy)s.",
    "dmarc_no_reports": "The DMARC record of %(place)s has no policy but “none” and no address for reports, so you "
    "never learn who sends as you. Choose a mailbox that you read, and replace TXT _dmarc.%(place)s with the value: "
    "%(value)s",
    "dmarc_missing": "%(domain)s has no DMARC record. Add TXT _dmarc.%(place)s with the value: %(value)s",
    "dmarc_several": "_dmarc.%(place)s has several DMARC records, so receivers ignore them all. Keep one TXT "
    "_dmarc.%(place)s with the value: %(value)s",
    "dmarc_syntax": "The DMARC record at _dmarc.%(place)s can’t be read. Replace TXT _dmarc.%(place)s with the value: "
    "%(value)s",
    "dmarc_no_policy": "The DMARC record at _dmarc.%(place)s has no valid policy (p=). Replace TXT _dmarc.%(place)s "
    "with the value: %(value)s",
    "dmarc_unanswered": "Unknown: no DNS server answered for _dmarc.%(place)s. Check the connection, then press Check "
    "again.",
    "return_good": "Bounces can reach %(domain)s.",
    "return_none": "Bounces can’t reach %(domain)s: it has no MX record and no address. Add MX %(domain)s with your "
    "mail server as its value, or set another return path under Settings (admins only).",
    "return_null": "%(domain)s says that it accepts no email (null MX), so bounces are lost and some servers reject "
    "your emails. "
    "Set another return path under Settings (admins only), or replace MX %(domain)s with your mail server.",
    "return_unanswered": "Unknown: no DNS server answered for the MX record of %(domain)s. Check the connection, then "
    "press Check again.",
    "return_unaligned": "The return path is at %(domain)s, so SPF doesn’t count for DMARC of your sender domain. Under "
    "Settings (admins only), choose a return path at the sender domain, or rely on DKIM.",
    "return_strict": "DMARC of %(place)s accepts SPF of exactly the From domain only (aspf=s), but the return path is "
    "at %(domain)s. Replace TXT _dmarc.%(place)s with the value: %(value)s",
    "ptr_good": "This server is called %(host)s in both directions.",
    "ptr_unnamed": "This server has no full host name, so receivers distrust it. Name it, for instance: hostnamectl "
    "set-hostname mail.%(domain)s",
    "ptr_postfix": "Postfix on this server calls itself %(host)s, which no receiver can look up. Run: postconf -e "
    "myhostname=mail.%(domain)s, then postfix reload.",
    "ptr_no_address": "%(host)s, the name of this server, has no address in DNS. Add A %(host)s with the public "
    "address of the server as its value.",
    "ptr_missing": "%(address)s has no PTR record, so Gmail and Outlook may reject its email. At your hosting company, "
    "set the reverse DNS of %(address)s to: %(host)s",
    "ptr_differs": "The PTR record of %(address)s says %(detail)s. At your hosting company, set the reverse DNS of "
    "%(address)s to: %(host)s",
    "ptr_unanswered": "Unknown: no DNS server answered for the name of this server, %(host)s. Check the connection, "
    "then press Check again.",
    "visible_good": "The DNS servers of %(domain)s and public resolvers (%(views)s) show the same records.",
    "visible_not_yet": "TXT %(name)s is published, but these public resolvers don’t show it yet: %(views)s. Wait an "
    "hour, then press Check again.",
    "visible_split": "The DNS servers of %(domain)s don’t agree about TXT %(name)s: different at %(servers)s. Wait "
    "an hour. If it stays so, ask your DNS provider to update all its servers.",
    "visible_ours": "The resolver of this server answers something else about TXT %(name)s than the DNS servers of "
    "%(domain)s. Wait an hour, then press Check again. If it stays so, set SAMIZDAT_DNS to another resolver.",
    "visible_lame": "These DNS servers of %(domain)s don’t answer for it: %(servers)s. At your registrar, remove them "
    "from the name servers of the domain, or ask your DNS provider to fix them.",
    "tls_good": "The route encrypts its connection.",
    "tls_checked": "The route encrypts its connection to %(host)s (%(version)s), and the certificate is valid.",
    "tls_unused": "%(host)s supports encryption (STARTTLS), but this route sends without it. Change its URL from "
    "smtp+plain:// to smtp://.",
    "tls_no_starttls": "%(host)s doesn’t support STARTTLS, so nothing is sent by this route. Change its URL to "
    "smtps:// if the server has a TLS port, or ask its owner.",
    "tls_certificate": "The certificate of %(host)s isn’t valid (%(detail)s), so nothing is sent by this route. Use "
    "the host name that is in the certificate, or ask the owner of the server to renew it.",
    "tls_failed": "No encrypted connection to %(host)s could be set up: %(detail)s. Check the port of this route.",
    "tls_unanswered": "Unknown: the encryption of %(host)s couldn’t be checked. Test the route under Routes, then "
    "press Check again.",
    "tls_none": "This route sends without encryption. Change its URL from smtp+plain:// to smtp:// (with STARTTLS) or "
    "smtps://.",
}


class OurKey(Protocol):
    """A DKIM key that we sign with. name: where its record stands; text: what it has to say."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def selector(self) -> str: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def public(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RouteConnection:
    """What came of connecting to a route's mail server. reason: why it can't be used, of core/mail/outcome.REASONS; ""
    where it can. version: of TLS, "" without. named: what the server calls itself."""

    reason: str = ""
    detail: str = ""
    version: str = ""
    has_starttls: bool = False
    named: str = ""


# Reasons by which a certificate is refused.
_CERTIFICATE = ("certificate", "certificate_expired", "self_signed", "unknown_issuer", "fingerprint")


@dataclass(frozen=True, slots=True)
class SenderByRoute:
    """A sender by one route. signing: the domain whose keys sign (d=). by_provider: the route's provider signs instead.
    waiting: the domain whose keys are there and don't sign yet, published: those of them whose records were found.
    include: what its provider wants in SPF, or host: the server that it leads to. own_host: the name of our machine,
    where that sends; None where another does. reports_to: address for DMARC reports, where somebody reads them.
    encrypted: None where there is no connection. connection: what was seen of it; None where nobody looked."""

    domain: str
    return_path: str = ""  # The domain of the envelope sender.
    keys: tuple[OurKey, ...] = ()
    signing: str = ""
    by_provider: bool = False
    waiting: str = ""
    published: tuple[str, ...] = ()
    include: str = ""
    host: str = ""
    own_host: str | None = None
    reports_to: str = ""
    encrypted: bool | None = None
    connection: RouteConnection | None = None


@dataclass(frozen=True, slots=True)
class DnsValue:
    """A record to publish."""

    name: str
    type: str
    value: str

    def document(self) -> dict[str, str]:
        return {"name": self.name, "type": self.type, "value": self.value}


@dataclass(frozen=True, slots=True)
class SenderFinding:
    """code of SENTENCES, whose holes values fill. severity: good, care, unknown (no server answered) or stop. text: the
    record that was found."""

    code: str
    severity: str
    values: dict[str, str] = field(default_factory=dict)
    text: str = ""
    publish: DnsValue | None = None

    @property
    def area(self) -> str:
        """spf, dkim, dmarc, return, ptr, tls or visible."""
        return self.code.partition("_")[0]


def judge(sender: SenderByRoute, ask: Ask) -> list[SenderFinding]:
    """What receivers find of this sender by this route: SPF, DKIM, DMARC, the return path, the server.

    Stops where nothing aligned would be left, where anybody could send as this domain, or where bounces are lost."""
    return [*authentication(sender, ask), *_return_path(sender, ask), *_own_host(sender, ask), *_encryption(sender)]


def authentication(sender: SenderByRoute, ask: Ask) -> list[SenderFinding]:
    """SPF, DKIM and DMARC."""
    policy = dmarc.find(sender.domain, ask)
    server = spf.read(sender.return_path or sender.domain, ask)
    signature = [*_signature(sender, policy, ask)]
    aligned = [*_alignment(sender, policy, ask)]
    signed = _signs(sender, signature)
    allowed = _allows(sender, server, aligned)
    return [
        _as_needed(_server(sender, server), signed),
        *(_as_needed(finding, signed) for finding in aligned),
        *(_as_needed(finding, allowed) for finding in signature),
        _policy(sender, policy),
    ]


def _as_needed(finding: SenderFinding, other: bool | None) -> SenderFinding:
    """other: whether the other one of SPF and DKIM holds (None: may hold). Either is enough for DMARC."""
    if finding.severity != "weak":
        return finding
    severity = "stop" if other is False else "care"
    return SenderFinding(finding.code, severity, finding.values, finding.text, finding.publish)


def _signs(sender: SenderByRoute, findings: Iterable[SenderFinding]) -> bool | None:
    codes = {finding.code for finding in findings}
    if codes & {"dkim_unaligned", "dkim_strict", "dkim_none", "dkim_waiting", "dkim_ready"}:
        return False
    if "dkim_good" in codes:
        return True
    is_open = sender.by_provider or codes & {"dkim_unanswered", "dkim_testing", "dkim_provider"}
    return None if is_open else False


def _allows(sender: SenderByRoute, server: spf.SpfResult, unaligned: Sequence[SenderFinding]) -> bool | None:
    if server.code == "unanswered":
        return None
    return not server.code and not unaligned and not _lacks_provider(sender, server)


# --- SPF ---


def _server(sender: SenderByRoute, server: spf.SpfResult) -> SenderFinding:
    domain = sender.return_path or sender.domain
    code = server.code or ("provider" if _lacks_provider(sender, server) else "good")
    values = {"domain": server.where or domain, "detail": server.detail, "lookups": str(server.lookups)}
    if code in ("good", "unanswered"):
        return SenderFinding(f"spf_{code}", "good" if code == "good" else "unknown", values, server.text)
    value = _spf_value(sender, server, code)
    publish = DnsValue(domain, "TXT", value) if code != "lookups" else None
    severity = "stop" if code == "everyone" else "weak"
    return SenderFinding(f"spf_{code}", severity, {**values, "value": value}, server.text, publish)


def _lacks_provider(sender: SenderByRoute, server: spf.SpfResult) -> bool:
    return bool(sender.include) and sender.include not in server.includes


def _spf_value(sender: SenderByRoute, server: spf.SpfResult, code: str) -> str:
    """A record that would do, kept as near as possible to what is there."""
    own = sender.own_host if sender.own_host and "." in sender.own_host else ""
    include, host = sender.include, own or sender.host
    fresh = f"v=spf1 include:{include} ~all" if include else f"v=spf1 a:{host} ~all" if host else "v=spf1 mx ~all"
    match code:
        case "several":
            kept = spf.merged(server.texts)
        case "everyone":
            kept = spf.for_everyone_no_more(spf.without(server.text, [server.via]))
        case "void" | "include":
            kept = spf.without(server.text, [*server.detail.split(", "), server.via])
        case "provider":
            return spf.including(server.text, include)
        case _:
            return fresh
    # What is left may allow nobody.
    return kept if len(kept.split()) > 2 else fresh


# --- DKIM ---


def _signature(sender: SenderByRoute, policy: dmarc.DmarcResult, ask: Ask) -> Iterator[SenderFinding]:
    if sender.keys and not sender.by_provider:
        yield from _records(sender.keys, ask)
        yield from _signing_domain(sender, policy, ask)
        return
    published, silent = _common_selector(sender.domain, ask)
    values = {"domain": sender.domain, "selectors": published, "name": silent}
    if published:
        yield SenderFinding("dkim_provider", "good", values)
    elif silent:
        yield SenderFinding("dkim_unanswered", "unknown", values)
    elif sender.waiting and sender.published:
        yield SenderFinding("dkim_ready", "weak", {**values, "selectors": ", ".join(sender.published)})
    elif sender.waiting:
        yield SenderFinding("dkim_waiting", "weak", {**values, "domain": sender.waiting})
    elif sender.by_provider:
        yield SenderFinding("dkim_provider_unseen", "care", values)
    else:
        yield SenderFinding("dkim_none", "weak", values)


def _common_selector(domain: str, ask: Ask) -> tuple[str, str]:
    """One of the usual selectors under which a key is published, else the name for which no server answered."""
    for selector in SELECTORS:
        texts = ask(name := dkim.record_name(selector, domain), "TXT")
        if texts is None:
            return "", name
        if any("p=" in text for text in texts):
            return ("", "") if _answers_all(domain, texts, ask) else (selector, "")
    return "", ""


def _answers_all(domain: str, texts: Sequence[str], ask: Ask) -> bool:
    """Whether a wildcard gives the same record under every name: then it is nobody's key."""
    return sorted(ask(dkim.record_name(NO_SELECTOR, domain), "TXT") or ()) == sorted(texts)


def _records(keys: Sequence[OurKey], ask: Ask) -> Iterator[SenderFinding]:
    """A record that is wrong makes the signature of every email look forged, so it stops; one of a second key whose
    twin is right doesn't."""
    states = [(key, *_state(key, ask)) for key in keys]
    right = [key for key, state, _text in states if state in ("right", "testing")]
    for key, state, text in states:
        values = {"selectors": key.selector, "name": key.name, "value": key.text}
        if state == "unanswered":
            yield SenderFinding("dkim_unanswered", "unknown", values)
        elif state != "right":
            severity = "care" if right or state == "testing" else "stop"
            yield SenderFinding(f"dkim_{state}", severity, values, text[:80], DnsValue(key.name, "TXT", key.text))
    if any(state == "right" for _key, state, _text in states):
        names = ", ".join(key.selector for key, state, _text in states if state == "right")
        yield SenderFinding("dkim_good", "good", {"selectors": names})


def _state(key: OurKey, ask: Ask) -> tuple[str, str]:
    texts = ask(key.name, "TXT")
    if texts is None:
        return "unanswered", ""
    state = dkim.found_in(texts, key.algorithm, key.public)
    state = "testing" if state == "right" and dkim.is_testing(texts) else state
    return state, texts[0] if texts else ""


def _signing_domain(sender: SenderByRoute, policy: dmarc.DmarcResult, ask: Ask) -> Iterator[SenderFinding]:
    values = {"signing": sender.signing, "domain": sender.domain, "place": policy.place}
    if _is_aligned(sender.domain, sender.signing, policy, "adkim", ask) is not False:
        return
    if policy.record and policy.record.is_strict("adkim"):
        yield _loosened("dkim_strict", values, policy.record, "adkim")
    else:
        yield SenderFinding("dkim_unaligned", "weak", values)


# --- DMARC ---


def _is_aligned(domain: str, other: str, policy: dmarc.DmarcResult, tag: str, ask: Ask) -> bool | None:
    """None where nobody knows, or where there is no policy yet, whose absence is said anyway."""
    if not other or policy.record is None:
        return None
    return dmarc.aligned(domain, other, ask, strict=policy.record.is_strict(tag))


def _loosened(code: str, values: dict[str, str], record: dmarc.DmarcRecord, tag: str) -> SenderFinding:
    parts = [part.strip() for part in record.text.split(";") if part.strip()]
    value = "; ".join(part for part in parts if part.partition("=")[0].strip().lower() != tag)
    publish = DnsValue(f"_dmarc.{record.name}", "TXT", value)
    return SenderFinding(code, "weak", {**values, "value": value}, record.text, publish)


def _policy(sender: SenderByRoute, policy: dmarc.DmarcResult) -> SenderFinding:
    values = {"domain": sender.domain, "place": policy.place, "policy": policy.policy}
    text = policy.texts[0] if policy.texts else ""
    if not policy.code:
        if policy.record and policy.policy == "none" and not policy.record.tags.get("rua"):
            return _without_reports(sender, policy.record, values)
        return SenderFinding("dmarc_good", "good", values, text)
    if policy.code == "unanswered":
        return SenderFinding("dmarc_unanswered", "unknown", values)
    value = _policy_value(policy, sender.reports_to)
    # With an address for reports receivers act as if it said p=none.
    severity = "care" if policy.code == "no_policy" and policy.policy else "stop"
    publish = DnsValue(f"_dmarc.{policy.place}", "TXT", value)
    return SenderFinding(f"dmarc_{policy.code}", severity, {**values, "value": value}, text, publish)


def _without_reports(sender: SenderByRoute, record: dmarc.DmarcRecord, values: dict[str, str]) -> SenderFinding:
    """p=none asks receivers for nothing but reports."""
    value = f"{record.text.strip().rstrip(';').rstrip()}; rua=mailto:{sender.reports_to or f'dmarc@{record.name}'}"
    publish = DnsValue(f"_dmarc.{record.name}", "TXT", value)
    return SenderFinding("dmarc_no_reports", "care", {**values, "value": value}, record.text, publish)


def _policy_value(policy: dmarc.DmarcResult, reports_to: str) -> str:
    """Where to send reports is kept of what is there."""
    tags = dict(policy.record.tags) if policy.record else {}
    if reports_to and not tags.get("rua"):
        tags["rua"] = f"mailto:{reports_to}"
    return DMARC_VALUE + "".join(f"; {tag}={tags[tag]}" for tag in ("rua", "ruf") if tags.get(tag))


# --- the return path ---


def _alignment(sender: SenderByRoute, policy: dmarc.DmarcResult, ask: Ask) -> Iterator[SenderFinding]:
    values = {"domain": sender.return_path, "place": policy.place}
    if _is_aligned(sender.domain, sender.return_path, policy, "aspf", ask) is not False:
        return
    if policy.record and policy.record.is_strict("aspf"):
        yield _loosened("return_strict", values, policy.record, "aspf")
    else:
        yield SenderFinding("return_unaligned", "weak", values)


def _return_path(sender: SenderByRoute, ask: Ask) -> Iterator[SenderFinding]:
    """Receivers refuse a sender that takes no mail (RFC 5321, 4.1.1.2 and RFC 7505)."""
    if not (domain := sender.return_path):
        return
    values, hosts = {"domain": domain}, ask(domain, "MX")
    if hosts and not any(host.rstrip(".") for host in hosts):
        yield SenderFinding("return_null", "stop", values)
        return
    answers = [hosts] if hosts else [hosts, ask(domain, "A"), ask(domain, "AAAA")]
    if any(answers):
        yield SenderFinding("return_good", "good", values)
    elif None in answers:
        yield SenderFinding("return_unanswered", "unknown", values)
    else:
        yield SenderFinding("return_none", "stop", values)


# --- the server and the connection ---


def _own_host(sender: SenderByRoute, ask: Ask) -> Iterator[SenderFinding]:
    """Gmail wants a PTR record that leads back to the address. Only a warning: our machine may send by another one."""
    if (host := sender.own_host) is None:
        return
    values = {"domain": sender.domain, "host": host}
    if "." not in host:
        is_postfix = sender.connection is not None and sender.connection.named == host
        yield SenderFinding("ptr_postfix" if is_postfix else "ptr_unnamed", "care", values)
        return
    answers = [ask(host, kind) for kind in ("A", "AAAA")]
    addresses = [address for answer in answers for address in answer or ()]
    if not addresses:
        silent = None in answers
        yield SenderFinding("ptr_unanswered" if silent else "ptr_no_address", "unknown" if silent else "care", values)
        return
    findings = [_pointer(address, host, ask) for address in addresses]
    yield next((finding for finding in findings if finding.severity != "good"), findings[0])


def _pointer(address: str, host: str, ask: Ask) -> SenderFinding:
    names = ask(ipaddress.ip_address(address).reverse_pointer, "PTR")
    values = {"host": host, "address": address, "detail": ", ".join(name.rstrip(".") for name in names or ())}
    if names is None:
        return SenderFinding("ptr_unanswered", "unknown", values)
    if host.lower() in {name.rstrip(".").lower() for name in names}:
        return SenderFinding("ptr_good", "good", values)
    return SenderFinding("ptr_differs" if names else "ptr_missing", "care", values)


def _encryption(sender: SenderByRoute) -> Iterator[SenderFinding]:
    """Only a warning: a route that can't encrypt sends nothing, and another one may."""
    if sender.encrypted is None:
        return
    seen = sender.connection or RouteConnection(version="TLS" if sender.encrypted else "")
    values = {"host": sender.host, "detail": seen.detail, "version": seen.version}
    match seen.reason:
        case "":
            code = "none" if not seen.version else "checked" if sender.connection else "good"
            code = "unused" if code == "none" and seen.has_starttls else code
            yield SenderFinding(f"tls_{code}", "good" if seen.version else "care", values)
        case reason if reason in _CERTIFICATE:
            yield SenderFinding("tls_certificate", "care", values)
        case "no_starttls":
            yield SenderFinding("tls_no_starttls", "care", values)
        case "tls":
            yield SenderFinding("tls_failed", "care", values)
        case _:
            yield SenderFinding("tls_unanswered", "unknown", values)
