"""What came back: outcomes of one message, verdicts on a route, and the one table that reads answers.

The golden rule: an answer that is about the route never marks a subscriber. Such a message is Deferred with the scope
'route', 'config' or 'throttle', even when the code begins with a 5, and the verdict beside it says what to do with the route.
The same holds for a mailbox provider that refuses us: scope 'provider', and core/mail/refusals says what becomes of it.
"""

# ruff: noqa: E501  (the tables are read one row a line)

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal, NamedTuple

from samizdat.core.mail.address import mailbox_provider
from samizdat.core.mail.rate import seconds_told

Scope = Literal["recipient", "message", "route", "config", "throttle", "provider"]
Stage = Literal["connect", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "final", "http"]
RouteState = Literal["ok", "throttled", "config", "dead"]

# The answer class in the delivery column: the place in this tuple. Append only.
ANSWERS = (
    "accepted",
    "full",
    "no_such_mailbox",
    "policy",
    "content",
    "size",
    "greylisted",
    "throttled",
    "route",
    "network",
    "expired",
    "unsure",
    "suppressed",
    "cancelled",
    "unmakeable",
    "config",
    "bad_answer",
    "utf8",
    "inactive",
    "system",
    "other",
    "provider",
    "unavailable",
)
NUMBERS = {name: number for number, name in enumerate(ANSWERS)}
# The one that is about a mailbox without any doubt: core/mail/suppression_rules.
SURE_ANSWER = "no_such_mailbox"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The next server took it; nobody knows more than that. The text is left empty: it holds a queue id of the relay."""

    code: int = 250
    text: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not taken, and may be tried again. `wait`: the seconds the answer named, if it did. `answer`: a word of ANSWERS."""

    code: int
    text: str
    scope: Scope
    answer: str = "other"
    wait: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A clear no, for this recipient or this message alone."""

    code: int
    text: str
    scope: Scope
    answer: str = "other"


@dataclass(frozen=True, slots=True)
class Unsure:
    """The last dot may have reached the server, and no answer came. for_person: it was very likely taken, so nothing but a
    person has it sent again."""

    text: str
    for_person: bool = False


Outcome = Accepted | Deferred | Refused | Unsure


def answer_class(outcome: Outcome) -> int:
    """The small number for the delivery column."""
    match outcome:
        case Accepted():
            return NUMBERS["accepted"]
        case Unsure():
            return NUMBERS["unsure"]
        case _:
            return NUMBERS[outcome.answer]


@dataclass(frozen=True, slots=True)
class RouteVerdict:
    """What an answer means for the route.

    state: 'ok' lives; 'throttled' comes back by itself after `wait` seconds; 'config' is dead for this sender domain;
    'dead' sends nothing until a person acts. A dead one with a `wait` may be asked once more after it (rule 4: wrong
    passwords are believed after two tries 10 minutes apart); a second such verdict is final.
    early: it was given before a recipient was named, so no recipient's server can have said it.
    """

    state: RouteState
    reason: str = "ok"
    values: Mapping[str, str] = field(default_factory=dict)
    wait: int | None = None
    early: bool = False

    @property
    def sentence(self) -> str:
        """In English: what happened, then what to do."""
        return filled(REASONS[self.reason], "The relay", self.values)


def filled(sentence: str, host: str, values: Mapping[str, str]) -> str:
    """A sentence of REASONS, translated or not, with its values; brackets around what the server did not say go."""
    blank = {"host": host, "detail": "", "answer": "", "scheme": "", "user": ""}
    return sentence.format(**(blank | dict(values))).replace(" ()", "")


OK = RouteVerdict("ok")

# Why a route is not sending, by code. The doors translate these. {host} and {answer} are filled in by the transport.
REASONS = {
    "ok": "The route is working.",
    "suspended": "{host} suspended or closed this account ({answer}). Nobody was marked as bounced. Ask the "
    "provider for the reason, or send by another route.",
    "paused": "Sending is paused for this account ({answer}). Ask the provider for the reason, or send by another route.",
    "login": "{host} rejected the user name or password ({answer}). Correct them under Routes, then press Test.",
    "key": "{host} rejected the key of this route ({answer}). Copy the sending key again and check the region, "
    "then press Test.",
    "login_needed": "{host} requires a user name and password ({answer}). Add them to the route, then press Test.",
    "login_not_offered": "{host} offers no sign-in method we support (PLAIN or LOGIN). Leave out the user name and "
    "password, or ask the provider which port to use.",
    "no_xoauth2": "{host} offers no sign-in with OAuth 2.0 (XOAUTH2). Use a user name and password: smtp:// or smtps://.",
    "sign_in_over": "The OAuth sign-in at {host} has expired or was withdrawn ({answer}). Get a new refresh token, enter "
    "it in the route together with the client secret, then press Test.",
    "oauth_client": "{host} gives the application of this route no access token ({answer}). Check its client ID, "
    "permissions and secret, which expires, then press Test.",
    "relay_denied": "{host} doesn’t accept emails from this server ({answer}). Add a user name and password, or "
    "allow this server there.",
    "not_authorised": "{host} says that this account or address isn’t allowed to send ({answer}). Ask the "
    "provider, then press Test.",
    "credits": "This account has no credits left ({answer}). Buy more or wait until they renew. The rest is sent "
    "by another route.",
    "plan": "The plan of this account doesn’t allow this ({answer}). Change the plan at the provider, or send by "
    "another route.",
    "no_domain": "{host} doesn’t know the sender domain of this route ({answer}). Check its spelling and the "
    "region (eu or us), then press Test.",
    "no_such_stream": "{host} doesn’t know the configuration set or message stream of this route ({answer}). Check how it is "
    "spelled there, then press Test.",
    "sender": "{host} doesn’t accept this sender ({answer}). Verify the sender address or its domain at the "
    "provider, then try again.",
    "authentication_records": "The sender domain failed SPF, DKIM or DMARC ({answer}). An admin has to publish the "
    "records shown under Domains. When Check finds them, try again.",
    "listed": "The address of the sending provider is on a block list ({answer}). Ask the provider, or send by "
    "another route.",
    "rate": "{host} asks us to send more slowly ({answer}). Sending continues automatically.",
    "quota": "The sending limit of this account is reached ({answer}). Sending continues automatically when the "
    "limit renews. The rest is sent by another route.",
    "busy": "{host} is busy ({answer}). We’ll try again automatically.",
    "refused": "{host} rejected our connection ({answer}). Ask the provider, or send by another route.",
    "same_refusal": "{host} gave the same rejection for many different domains in a row ({answer}), so it’s about "
    "the route, not the subscribers. Nobody was marked as bounced. Ask the provider, then press "
    "Test.",
    "no_such_host": "The name {host} has no address in DNS. Check its spelling in the route, or the DNS settings "
    "of this server.",
    "inside": "{host} leads to an address inside this server’s own network, so nothing was sent. Add this route on the "
    "server instead: the command is under “Mail server on this server or in your own network” in the form.",
    "no_connection": "{host} can’t be reached ({detail}). Check host and port of the route. We’ll try again "
    "automatically.",
    "silent": "{host} isn’t responding in time ({detail}). Check host and port: smtps:// is usually port 465, "
    "smtp:// port 587. We’ll try again automatically.",
    "no_answer": "{host} isn’t responding in time ({detail}). We’ll try again automatically. If this continues, "
    "ask the provider.",
    "hung_up": "{host} keeps dropping the connection ({detail}). We’ll try again automatically. If this continues, "
    "ask the provider.",
    "not_smtp": "The server at {host} doesn’t speak SMTP ({answer}). Check host and port: smtps:// is usually port "
    "465, smtp:// port 587.",
    "bad_answer": "{host} gives answers we can’t understand ({answer}). We’ll try again automatically. If this "
    "continues, ask the provider.",
    "endless_answer": "{host} sends endless data instead of a short answer ({detail}), so we dropped the "
    "connection to keep other emails moving. We’ll try again automatically. If this continues, "
    "ask the provider.",
    "web_page": "A web page answers instead of {host} ({answer}). Something between this server and the provider "
    "intercepts the connection, or the provider blocks this server’s network or country. Send by "
    "another route; an admin has to check this one.",
    "no_starttls": "{host} doesn’t support STARTTLS, so nothing was sent. Use smtps:// if it has a TLS port, or "
    "smtp+plain:// to send without encryption, for example inside this server.",
    "certificate": "The certificate of {host} is for another host name ({detail}). Nothing was sent. Use the name "
    "in the certificate as the host of the route. If the sending server is your own, compare this "
    "fingerprint with the one on that server; if they match, add ?fingerprint=… to the URL of the "
    "route.",
    "self_signed": "{host} has a self-signed certificate, so we can’t tell whose server it is. Nothing was sent, "
    "not even the password. If the sending server is your own, compare this fingerprint with the "
    "one on that server: {detail}. If they match, add ?fingerprint=… to the URL of the route. If it "
    "belongs to a provider, ask them first.",
    "unknown_issuer": "The certificate of {host} comes from an authority that this server doesn’t know ({detail}). "
    "Nothing was sent. If it’s your own authority, add ?ca=FILE with its certificate to the URL "
    "of the route. If the server belongs to a provider, check the host name and ask them.",
    "certificate_expired": "The certificate of {host} has expired ({detail}). Nothing was sent. Ask the owner of "
    "that server to renew it, then test the route again.",
    "fingerprint": "The certificate of {host} doesn’t match the fingerprint in the route (it’s now {detail}). "
    "Before you change the route, ask the provider whether the certificate was renewed.",
    "not_them": "The server answering as {host} can’t prove its identity ({detail}), so nothing was sent. "
    "Something between this server and the provider intercepts the connection, or the clock or "
    "certificates of this server are out of date.",
    "tls": "We couldn’t set up an encrypted connection to {host} ({detail}). Check the port: smtps:// is usually "
    "465, smtp:// 587.",
    "folder_missing": "The folder {detail} doesn’t exist or isn’t a folder. Create it, then press Test.",
    "folder_not_writable": "Samizdat can’t write to the folder {detail}. Give this user permission to write there, "
    "then press Test.",
    "disk_full": "The disk with {detail} is full. Free up space. We’ll try again automatically.",
    "folder_failed": "We couldn’t write to the folder ({detail}). We’ll try again automatically.",
    "command_missing": "The command {detail} doesn’t exist or can’t be run. Install it or correct the path in the "
    "route, then press Test.",
    "command_failed": "The command {detail} can’t send with its current settings ({answer}). Check its settings "
    "and its log on this server, then press Test.",
    "command_busy": "The command {detail} isn’t accepting email now ({answer}). We’ll try again automatically. If "
    "this continues, check its log on this server.",
    "command_hung": "The command {detail} didn’t finish and was stopped. We’ll try again automatically. If this "
    "continues, check its log on this server.",
}


def known_reason(code: str) -> str:
    """Why a route or domain is barred, as a code of REASONS. Whoever writes the database can write a sentence of
    their own into the column, and pages, commands and programs would repeat it to admins: that is "unknown"."""
    return code if not code or code in REASONS else "unknown"


# By these words a provider drops us for good. Used-up credits are none: whoever may send can use them up.
DROPPED = frozenset(
    (
        "suspended",
        "paused",
        "login",
        "key",
        "sign_in_over",
        "oauth_client",
        "relay_denied",
        "not_authorised",
        "plan",
        "no_domain",
        "refused",
    )
)

# Who has to act, by the same codes: `account` holds the account at the provider, `provider` is its support, `admin` runs
# this house, and nobody has to where it goes on by itself.
ACTORS = {
    "nobody": "No action needed.",
    "account": "Contact: the person who manages your account at the provider.",
    "provider": "Contact: provider’s support.",
    "admin": "Contact: an admin of your organization.",
}
WHO = {
    **dict.fromkeys(("ok", "rate", "quota", "busy"), "nobody"),
    **dict.fromkeys(("login", "key", "sign_in_over", "oauth_client", "login_needed", "credits", "plan", "no_domain", "no_such_stream", "sender", "authentication_records"), "account"),
    **dict.fromkeys(("suspended", "paused", "not_authorised", "listed", "refused", "same_refusal", "no_answer", "hung_up", "bad_answer", "endless_answer", "fingerprint"), "provider"),
    **dict.fromkeys(("login_not_offered", "no_xoauth2", "relay_denied", "no_such_host", "inside", "no_connection", "silent", "not_smtp", "web_page", "no_starttls", "certificate", "self_signed", "unknown_issuer", "certificate_expired", "not_them", "tls"), "admin"),
    **dict.fromkeys(("folder_missing", "folder_not_writable", "disk_full", "folder_failed"), "admin"),
    **dict.fromkeys(("command_missing", "command_failed", "command_busy", "command_hung"), "admin"),
}  # fmt: skip


class RefusalKind(NamedTuple):
    """What a row says: about whom, and what becomes of the message."""

    scope: Scope
    state: RouteState
    final: bool  # a clear no, when the code agrees


DEAD = RefusalKind("route", "dead", False)
THROTTLED = RefusalKind("throttle", "throttled", False)
CONFIG = RefusalKind("config", "config", False)
RECIPIENT = RefusalKind("recipient", "ok", True)
LATER = RefusalKind("recipient", "ok", False)
MESSAGE = RefusalKind("message", "ok", True)
PROVIDER = RefusalKind(
    "provider", "ok", False
)  # this mailbox provider refuses us; the route lives, and nobody is marked
SLOWER = RefusalKind("throttle", "ok", False)  # one answer that asks for patience; the route lives until it repeats


class OutcomeRow(NamedTuple):
    """One kind of answer. Stages: words, empty for any. The others are regular expressions, empty for any."""

    source: str
    stages: str
    code: str
    enhanced: str
    words: str
    kind: RefusalKind
    answer: str
    reason: str = ""
    wait: int | None = None


DAY = 86400
HOUR = 3600

WEB_PAGE = r"^\s*<(!doctype|html|head|body|\?xml)"

# Where the recipient or this one letter may be meant: behind RCPT TO and behind the dot. There the route is condemned by
# the first answer only where the words are surely about us; else the answer counts as the recipient's, and rule 2 finds
# out when it was the route after all.
RECIPIENT_STAGES = "rcpt data final"
OURS = "connect banner ehlo starttls auth mail http"
# Before a recipient is named; a provider's web interface answers for itself alone.
EARLY = frozenset(OURS.split())
NOT_ABOUT_RECIPIENT = r"^(?!.*(recipient|mailbox|inbox|addressee|\buser\b|(try|tried|trying) to (reach|contact)))"
SHUT = r"(suspended|terminated|deactivated|disabled|locked|blocked|closed|under review)"
IS = r"( (is|are|was|has|have|been|temporarily|currently|permanently))*"
SHUT_ACCOUNT = rf"^(?!.*(invalid|incorrect|wrong|too many)).*(\baccount\b.*\b{SHUT}|\b{SHUT}\b.*\baccount\b)"
YOUR = r"\byour ((?!(to|for|by|from|of|in|on|with|this|that|the)\b)[\w-]+ ){0,2}(sub)?(account|subscription|plan)\b"
SENDING = r"\bsending\b(?! ((e?mails?|messages?) )?to\b)"
WE_ARE_SHUT = "|".join((
    rf"{YOUR}.*\bnot (be )?allowed to send",
    rf"{YOUR}(?!.*\bby (the|this) (recipient|user)).*\b{SHUT}|\b{SHUT}\b.*{YOUR}",
    rf"\byour (sending )?domain{IS} (suspended|terminated|deactivated|disabled)",
    rf"{SENDING}( (from|for|by|of|on|via))?( (this|your|the))?( ((sub)?account|domain|ip|service|privileges|e?mails?|messages))*{IS} {SHUT}",
    rf"\b{SHUT} (from|for) sending\b(?! ((e?mails?|messages?) )?to\b)|\b(sending|smtp|relay) account\b.*\b{SHUT}",
    rf"\b{SHUT}\b.*\b(outgoing|outbound)\b|\b(outgoing|outbound) (e?mails?|messages|smtp)\b.*\b{SHUT}",
    rf"\bsender('s)?( (account|domain|address))?{IS} (suspended|terminated|deactivated|disabled|under review)",
))  # fmt: skip
# A letter that is refused for what stands in it may be refused in the very words of a closed account.
A_LETTER = r"^(?!.*(phish|scam|fraud|virus|malware|credit card))"
# Words that leave no doubt: the mailbox does not exist. "Unavailable" and "rejected" may mean anything; of a sender, us.
NO_SUCH_USER = r"^(?!.*\bsender\b).*((user|recipient|mailbox|addressee|local part) (is )?(unknown|not (found|known))|(unknown|no such|non-?existent) (user|recipient|mailbox|person|local part)|\b(user|recipient|mailbox|account|address)\b.{0,60} does(n.t| not) exist|doesn.t have a \S+ account)"
# What may be said beside 5.1.1 and is not that.
FULL = r"mailbox (is )?full|over ?quota|quota exceeded|exceeded .*storage|insufficient (system )?storage for"
CLOSED = r"\b(inactive|disabled|suspended|deactivated|dormant|locked|frozen|not active)\b"
DOUBTFUL = r"access denied|\bpolic(y|ies)\b|\bspam\b|\bblocked\b|temporar|try again|not (allowed|permitted|authori[sz]ed)|\bsender\b"
NO_CREDITS = r"\b(no|out of|not enough|insufficient|your|account|more|sending) credits?\b|\bcredits? (left|exhausted|exceeded|used|depleted|balance|limit)|\bbilling (problem|issue|error|failure|status)|\byour billing\b|payment required"

# What people who run relays really answer. The first row that fits counts, so the narrow ones come first.
TABLE = (
    # Rule 7: a web page is no answer of the provider's interface, and its words are about something else.
    OutcomeRow("rule 7", "http", "40[13]|451", "", WEB_PAGE, DEAD, "route", "web_page", 600),
    OutcomeRow("rule 7", "http", "5..", "", WEB_PAGE, THROTTLED, "throttled", "busy", 60),
    OutcomeRow("rule 7", "http", r"4(?!13|29)\d\d", "", WEB_PAGE, THROTTLED, "throttled", "web_page", 300),
    # Amazon SES
    OutcomeRow("SES", "", "", "", r"sending paused for this (account|configuration set)|SendingPausedException", DEAD, "route", "paused"),
    OutcomeRow("SES", "", "", "", r"AccountSuspendedException", DEAD, "route", "suspended"),
    OutcomeRow("SES", "", "", "", r"daily message quota exceeded|LimitExceededException", THROTTLED, "throttled", "quota", HOUR),
    OutcomeRow("SES", "", "", "", r"maximum sending rate exceeded|throttling failure|^Throttling\b|TooManyRequestsException", THROTTLED, "throttled", "rate", 5),
    OutcomeRow("SES", "", "", "", r"rejected: (email address|identit\w+) (is|are) not verified|failed the check in region|MailFromDomainNotVerified", CONFIG, "config", "sender"),
    OutcomeRow("SES", "http", "", "", r"OnAccountSuppressionList|\bSuppressed\b", RECIPIENT, "inactive"),
    OutcomeRow("SES", "http", "", "", r"UnrecognizedClient|InvalidClientTokenId|IncompleteSignature|InvalidSignature|SignatureDoesNotMatch|MissingAuthenticationToken|AuthFailure", DEAD, "route", "key", 600),
    OutcomeRow("SES", "http", "", "", r"configuration set\b.* does not exist|ConfigurationSetDoesNotExist", DEAD, "route", "no_such_stream", 600),
    OutcomeRow("SES", "http", "400", "", r"^(\w+: )?(missing final '@domain'|illegal address|invalid domain name|user name is missing|(local address|domain) (contains|starts|ends))", RECIPIENT, "unavailable"),
    OutcomeRow("SES", "http", "400", "", r"message length is more than", MESSAGE, "size"),
    # Mailgun. A domain that is not allowed to send may only have sent too much in this hour.
    OutcomeRow("Mailgun", "", "", "", r"\bon probation\b", THROTTLED, "throttled", "quota", HOUR),
    OutcomeRow("Mailgun", "", "", "", r"not allowed to send:.*\brecipient limit", THROTTLED, "throttled", "quota", HOUR),
    OutcomeRow("Mailgun", "", "", "", r"not allowed to send:.*\brequest limit", THROTTLED, "throttled", "rate", 60),
    OutcomeRow("Mailgun", "", "", "", r"domain is unverified|requires DNS configuration", CONFIG, "config", "sender"),
    OutcomeRow("Mailgun", "", "", "", r"for test purposes only", DEAD, "route", "plan"),
    OutcomeRow("Mailgun", "", "", "", r"domain \S+ is not allowed to send", DEAD, "route", "suspended"),
    OutcomeRow("Mailgun", "http", "420|429", "", r"recipient limit", THROTTLED, "throttled", "quota", HOUR),
    OutcomeRow("Mailgun", "http", "420|429", "", r"request limit", THROTTLED, "throttled", "rate", 60),
    OutcomeRow("Mailgun", "http", "404", "", r"domain not found", DEAD, "route", "no_domain", 600),
    OutcomeRow("Mailgun", "http", "60[567]", "", "", RECIPIENT, "inactive"),
    OutcomeRow("Mailgun", "http", "", "", r"not delivering to previously|previously (bounced|unsubscribed|complained)", RECIPIENT, "inactive"),
    # SendGrid. Without credits it says that the log-in failed.
    OutcomeRow("SendGrid", "", "", "", r"maximum credits exceeded", THROTTLED, "throttled", "credits", HOUR),
    OutcomeRow("SendGrid", "", "", "", r"authorization grant is invalid", DEAD, "route", "login"),
    OutcomeRow("SendGrid", "http", "", "", r"access forbidden", DEAD, "route", "login"),
    OutcomeRow("SendGrid", "http", "400", "", r"^to field: ", RECIPIENT, "unavailable"),
    OutcomeRow("SendGrid", "http", "400", "", r"^from field: ", CONFIG, "config", "sender"),
    OutcomeRow("SendGrid", "", "", "", r"from address does not match", CONFIG, "config", "sender"),
    OutcomeRow("SendGrid", "", "", "", r"temporarily blocked due to repeated bad requests", THROTTLED, "throttled", "rate", 900),
    OutcomeRow("SendGrid", "http", "", "", r"\b(bounced|unsubscribed|spam reporting) address|^dropped\W+invalid", RECIPIENT, "inactive"),
    # Postmark: its own numbers come in as `ErrorCode`
    OutcomeRow("Postmark", "http", "", "", r"ErrorCode\W+10\b", DEAD, "route", "login"),
    OutcomeRow("Postmark", "http", "", "", r"ErrorCode\W+(412|413)\b", DEAD, "route", "suspended"),
    OutcomeRow("Postmark", "http", "", "", r"ErrorCode\W+405\b", DEAD, "route", "credits"),
    OutcomeRow("Postmark", "http", "", "", r"ErrorCode\W+40[01]\b", CONFIG, "config", "sender"),
    OutcomeRow("Postmark", "http", "", "", r"ErrorCode\W+300\b.*'to'", RECIPIENT, "unavailable"),
    OutcomeRow("Postmark", "http", "", "", r"ErrorCode\W+300\b.*'from'", CONFIG, "config", "sender"),
    OutcomeRow("Postmark", "http", "", "", r"ErrorCode\W+(1226|1235)\b", DEAD, "route", "no_such_stream", 600),
    OutcomeRow("Postmark", "http", "", "", r"ErrorCode\W+(300|402|403|409|41[01])\b", MESSAGE, "content"),
    OutcomeRow("Postmark", "http", "", "", r"ErrorCode\W+406\b", RECIPIENT, "inactive"),
    OutcomeRow("Postmark", "http", "", "", r"ErrorCode\W+100\b", THROTTLED, "throttled", "busy", 300),
    # Brevo
    OutcomeRow("Brevo", "http", "40[13]", "", r"permission_denied: .*\b(suspended|blocked|locked)\b", DEAD, "route", "suspended"),
    OutcomeRow("Brevo", "", "", "", r"account_under_validation|account (is |has )?not yet (been )?activated|permission_denied", DEAD, "route", "not_authorised"),
    OutcomeRow("Brevo", "", "", "", r"not_enough_credits", DEAD, "route", "credits"),
    OutcomeRow("Brevo", "http", "401", "", r"unrecogni[sz]ed IP", DEAD, "route", "not_authorised"),
    OutcomeRow("Brevo", "http", "", "", r"\bunauthorized\b", DEAD, "route", "login"),
    OutcomeRow("Brevo", "http", "400", "", r"invalid_parameter: .*not valid in to\b", RECIPIENT, "unavailable"),
    OutcomeRow("Brevo", "http", "400", "", r"invalid_parameter: .*\bsender\b.*\bnot valid\b", CONFIG, "config", "sender"),
    OutcomeRow("Brevo", "http", "", "", r"(invalid|missing|duplicate)_parameter|out_of_range|document_not_found|method_not_allowed", MESSAGE, "content"),
    OutcomeRow("Brevo", "", "", "", r"unauthorized IP", DEAD, "route", "not_authorised"),
    # SparkPost
    OutcomeRow("SparkPost", "", "", "", r"exceed sending limit", THROTTLED, "throttled", "quota", HOUR),
    OutcomeRow("SparkPost", "", "", "", r"sending IP temporarily suspended", THROTTLED, "throttled", "rate", 900),
    OutcomeRow("SparkPost", "", "", "", r"unconfigured sending domain", CONFIG, "config", "sender"),
    OutcomeRow("SparkPost", "", "", "", r"recipient address was suppressed", RECIPIENT, "inactive"),
    OutcomeRow("SparkPost", "", "5..", r"5\.6\.0", r"JSON", MESSAGE, "content"),
    # Mandrill
    OutcomeRow("Mandrill", "http", "", "", r"PaymentRequired", DEAD, "route", "credits"),
    OutcomeRow("Mandrill", "http", "", "", r"Invalid_Key|Unknown_Subaccount", DEAD, "route", "login"),
    OutcomeRow("Mandrill", "http", "", "", r"reject_reason\W+(invalid-sender|unsigned)", CONFIG, "config", "sender"),
    OutcomeRow("Mandrill", "http", "", "", r"reject_reason\W+test-mode-limit", DEAD, "route", "plan"),
    OutcomeRow("Mandrill", "http", "", "", r"reject_reason\W+(hard-bounce|soft-bounce|spam|unsub|custom|rule|invalid)\b", RECIPIENT, "inactive"),
    # Gmail and Workspace as a relay: limits of a day come with a 5
    OutcomeRow("Gmail", "", "5..", r"5\.4\.[56]", r"limit|quota", THROTTLED, "throttled", "quota", DAY),
    OutcomeRow("Gmail", "", "", "", r"mail relay denied|invalid credentials for relay", DEAD, "route", "relay_denied"),
    OutcomeRow("Gmail", "", "", "", r"peak SMTP relay limit", THROTTLED, "throttled", "rate", 300),
    OutcomeRow("any", "", "53[0458]|525", "", SHUT_ACCOUNT, DEAD, "route", "suspended"),
    OutcomeRow("any", "auth", "5..", "", SHUT_ACCOUNT, DEAD, "route", "suspended"),
    OutcomeRow("Gmail", "auth", "53[45]", "", "", DEAD, "route", "login", 600),
    OutcomeRow("to Gmail", "rcpt data final", "4..", r"4\.2\.1", r"too quickly|rate", LATER, "throttled"),
    OutcomeRow("to Gmail", "mail", "...", r"[45]\.7\.(2\d|3\d|40)", r"authenticat|DMARC|SPF|DKIM|PTR|TLS", CONFIG, "config", "authentication_records"),
    # 5.7.20 to 5.7.30 are registered for what is wrong with the sender (RFC 7372); Gmail goes on to 5.7.40.
    OutcomeRow("to Gmail", "rcpt data final", "5..", r"5\.7\.(2\d|3\d|40)", "", PROVIDER, "provider"),
    OutcomeRow("to Gmail", "rcpt data final", "4..", r"4\.7\.(2[0-79]|3\d|40)", "", PROVIDER, "provider"),
    OutcomeRow("to Gmail", "rcpt data final", "55.", r"5\.7\.[01]", r"unsolicited|content|attachment|security (issue|reasons)", MESSAGE, "content"),
    # Microsoft 365
    OutcomeRow("Microsoft", "", "5..", r"5\.1\.8", "", DEAD, "route", "suspended"),
    OutcomeRow("Microsoft", "", "5..", r"5\.7\.(50[123]|705|750)", "", DEAD, "route", "suspended"),
    OutcomeRow("Microsoft", "", "5..", r"5\.7\.(139|57)", "", DEAD, "route", "login", 600),
    OutcomeRow("Microsoft", "", "5..", r"5\.1\.90", "", THROTTLED, "throttled", "quota", DAY),
    OutcomeRow("Microsoft", "", "432", "", "", THROTTLED, "throttled", "rate", 60),
    OutcomeRow("Microsoft", "", "4..", r"4\.7\.500", "", THROTTLED, "throttled", "busy", 300),
    OutcomeRow("to Microsoft", "rcpt data final", "5..", r"5\.7\.(50[4-9]|5[1-9]\d)", "", PROVIDER, "provider"),
    OutcomeRow("to Microsoft", "", "5..", r"5\.7\.515", "", CONFIG, "config", "authentication_records"),
    OutcomeRow("to Microsoft", "rcpt data final", "5..", r"5\.7\.703", "", RECIPIENT, "policy"),
    # Exchange says this of whom its directory does not have, and of whole domains that are being moved.
    OutcomeRow("to Microsoft", "rcpt data final", "5..", r"5\.4\.1", r"recipient address rejected", RECIPIENT, "unavailable"),
    OutcomeRow("to Microsoft", "rcpt data final", "5..", r"5\.7\.(60[6-9]|6[1-4]\d|708)", "", PROVIDER, "provider", "listed"),
    OutcomeRow("to Microsoft", "rcpt data final", "5..", "", r"\bS\d{4}\b|\b(SC|DY|OU)-00\d\b|block list", PROVIDER, "provider", "listed"),
    OutcomeRow("to Microsoft", "", "5..", "", r"\bS31[45]0\b", DEAD, "route", "listed"),
    # Yahoo and AOL
    OutcomeRow("to Yahoo", "", "421", "", r"\[TSS?\d+\]|temporarily deferred", SLOWER, "throttled", "rate", 900),
    OutcomeRow("to Yahoo", "rcpt data final", "55.", "", r"\[BL\d+\]|permanently deferred", PROVIDER, "provider", "listed"),
    OutcomeRow("to Yahoo", "", "553", "", r"\[BL\d+\]", DEAD, "route", "listed"),
    OutcomeRow("to Yahoo", "rcpt data final", "55.", r"5\.7\.9", "", PROVIDER, "provider"),
    OutcomeRow("to Yahoo", "rcpt data final", "554", "", r"message not (accepted|allowed)|\[PH\d+\]|not accepted for policy", PROVIDER, "provider"),
    OutcomeRow("to Yahoo", "rcpt data final", "55[24]", "", r"doesn.t have a \S+ account", RECIPIENT, "no_such_mailbox"),
    OutcomeRow("to Yahoo", "rcpt data final", "554", "", r"mailbox is disabled", RECIPIENT, "inactive"),
    # iCloud
    OutcomeRow("to iCloud", "rcpt data final", "55.", "", r"\[(CS|HM)\d\d\]|rejected due to local policy", PROVIDER, "provider"),
    # mail.ru and Yandex
    OutcomeRow("mail.ru", "", "", "", r"sending for this account is disabled", DEAD, "route", "suspended"),
    OutcomeRow("to mail.ru", "rcpt data final", "5..", "", r"spam message rejected|suspicion of spam", MESSAGE, "content"),
    OutcomeRow("to mail.ru", "rcpt data final", "5..", "", r"unavailable: (account is disabled|user is terminated)", RECIPIENT, "inactive"),
    OutcomeRow("to mail.ru", "rcpt data final", "5..", "", r"sender verification failed|access from ip address|dynamic ip", PROVIDER, "provider"),
    OutcomeRow("to Yandex", "rcpt data final", "5..", "", r"spam statistics", PROVIDER, "provider", "listed"),
    OutcomeRow("to Yandex", "rcpt data final", "5..", "", r"policy rejection on the target address", RECIPIENT, "inactive"),
    OutcomeRow("to Yandex", "rcpt data final", "4..", "", r"recipient has exceeded", LATER, "throttled"),
    OutcomeRow("Yandex", "", "5..", r"5\.7\.1", rf"{NOT_ABOUT_RECIPIENT}.*limit exceeded", THROTTLED, "throttled", "rate", HOUR),
    # Shared hosters say 5xx and mean "later"
    OutcomeRow("hoster", "", "", "", rf"{NOT_ABOUT_RECIPIENT}.*(too many messages|exceeded the max(imum)? (defers|emails?|messages)|max(imum)? emails? per (hour|day))", THROTTLED, "throttled", "rate", HOUR),
    OutcomeRow("hoster", "", "...", r"5\.1\.0", r"policy violation", THROTTLED, "throttled", "rate", HOUR),
    OutcomeRow("hoster", "", "4..", "", r"rate limit", THROTTLED, "throttled", "rate", 300),
    # Any relay
    OutcomeRow("Exim, Postfix", "", "5..", "", r"relay(ing)? (access )?(denied|not (permitted|allowed))|not permitted to relay|unable to relay", DEAD, "route", "relay_denied"),
    OutcomeRow("any", "mail rcpt data final", "53[0458]", "", "", DEAD, "route", "login_needed"),
    OutcomeRow("any", "auth", "4..", "", "", THROTTLED, "throttled", "busy", 60),
    OutcomeRow("any", "auth", "5..", "", "", DEAD, "route", "login", 600),
    # After the dot the recipient has been taken already, so a bare account is ours; at RCPT TO it may be the recipient's.
    OutcomeRow("any", OURS + " data final", "5..", r"5\.7\.1", rf"{NOT_ABOUT_RECIPIENT}{A_LETTER}.*\baccount (has been |is |was )?(temporarily )?(suspended|disabled|locked)", DEAD, "route", "suspended"),
    OutcomeRow("DNSBL", "", "", "", r"open resolver", LATER, "system"),
    OutcomeRow("DNSBL", "rcpt data final", "", "", r"spamhaus|blocked using|\bIP\b.*\blisted\b|black ?list|\bPTR\b|dnsbl", PROVIDER, "provider", "listed"),
    OutcomeRow("DNSBL", "", "", "", r"spamhaus|blocked using|\bIP\b.*\blisted\b|black ?list|\bPTR\b|dnsbl", DEAD, "route", "listed"),
    OutcomeRow("records", "rcpt data final", "5..", "", r"\b(DMARC|SPF|DKIM)\b|sender policy framework|\bunauthenticated (e?mail|message)|\breverse dns\b|\brDNS\b", PROVIDER, "provider"),
    OutcomeRow("greylisting", "rcpt data final", "4..", "", r"gr[ea]y-?list", LATER, "greylisted"),
    OutcomeRow("SMTPUTF8", "mail rcpt data final", "5..", r"5\.6\.7", "", MESSAGE, "utf8"),
    OutcomeRow("SMTPUTF8", "mail rcpt data final", "5..", "", r"SMTPUTF8", MESSAGE, "utf8"),
    OutcomeRow("size", "mail rcpt data final", "552|5..", r"5\.(2\.3|3\.4)", "", MESSAGE, "size"),
    OutcomeRow("size", "mail data final", "552", "", r"size|too (big|large)", MESSAGE, "size"),
    # Rule 6: 421 closes; with words of rule 3 it means the account (Mailgun), else a wait.
    OutcomeRow("rule 6", OURS, "421", "", r"suspend|disabled|terminated|deactivated|blocked sender|under review|billing", DEAD, "route", "suspended"),
    OutcomeRow("rule 6", RECIPIENT_STAGES, "421", "", WE_ARE_SHUT, DEAD, "route", "suspended"),
    OutcomeRow("rule 6", "", "421", "", r"too many.*(connections|sessions)|concurrent", SLOWER, "throttled", "rate", 60),
    OutcomeRow("rule 6", "connect banner ehlo starttls auth mail http", "421", "", "", THROTTLED, "throttled", "busy", 60),
    OutcomeRow("rule 6", "", "421", "", "", SLOWER, "throttled", "busy", 60),
    # Rule 5, what stands before the words: a mailbox that is full, closed or not there speaks of itself.
    OutcomeRow("rule 5", "", "...", r"5\.1\.7", "", CONFIG, "config", "sender"),
    OutcomeRow("rule 5", "rcpt data final", "...", r"[45]\.2\.2", "", RECIPIENT, "full"),
    OutcomeRow("rule 5", "rcpt data final", "5..", r"5\.2\.1", r"too quickly|at a rate|too many", RECIPIENT, "policy"),
    OutcomeRow("rule 5", "rcpt data final", "...", r"[45]\.2\.1", "", RECIPIENT, "inactive"),
    # Whoever says no_such_mailbox once is suppressed (core/mail/suppression_rules): 5.1.1 and its kin without any other
    # words, and words without doubt beside a code that says nothing. Not 5.1.2: a relay whose DNS is broken says it of all.
    OutcomeRow("rule 5", "rcpt data final", "...", r"[45]\.1\.\d+", FULL, RECIPIENT, "full"),
    OutcomeRow("rule 5", "rcpt data final", "...", r"[45]\.1\.\d+", CLOSED, RECIPIENT, "inactive"),
    OutcomeRow("rule 5", "rcpt data final", "...", r"[45]\.1\.\d+", DOUBTFUL, RECIPIENT, "unavailable"),
    OutcomeRow("rule 5", "rcpt data final", "...", r"[45]\.1\.(1|3|6|10)", "", RECIPIENT, "no_such_mailbox"),
    OutcomeRow("rule 5", "rcpt data final", "...", r"[45]\.1\.[04]", NO_SUCH_USER, RECIPIENT, "no_such_mailbox"),
    OutcomeRow("rule 5", "rcpt data final", "...", r"[45]\.(1\.\d+|2\.0)", "", RECIPIENT, "unavailable"),
    OutcomeRow("rule 5", "rcpt data final", "...", r"[45]\.2\.\d+", "", RECIPIENT, "policy"),
    OutcomeRow("mailbox", "rcpt data final", "", "", FULL, RECIPIENT, "full"),
    OutcomeRow("mailbox", "rcpt data final", "", "", NO_SUCH_USER, RECIPIENT, "no_such_mailbox"),
    OutcomeRow("mailbox", "rcpt data final", "", "", r"^(?!.*\bsender\b).*((address|account) (is )?(unknown|not (found|known))|(user|recipient|mailbox|address|account) not exist|no such address|does(n.t| not) exist|mailbox (is )?unavailable|user doesn|unrout(e?able) address)", RECIPIENT, "unavailable"),
    # Rule 3: words that speak of the route. Where the recipient may be meant, only those that are surely about us.
    OutcomeRow("rule 3", "http", "", "", r"(recipient|mailbox|inbox|\buser'?s? e?mail)\b.*(suspend|deactivated|disabled)", LATER, "other"),
    OutcomeRow("rule 3", OURS, "", "", r"suspend|terminated|deactivated|blocked sender|under review", DEAD, "route", "suspended"),
    OutcomeRow("rule 3", OURS, "", "", r"\baccount\b.*(disabled|locked|blocked|closed)|(disabled|locked|blocked|closed).*\baccount\b", DEAD, "route", "suspended"),
    OutcomeRow("rule 3", RECIPIENT_STAGES, "", "", rf"{A_LETTER}.*({WE_ARE_SHUT})", DEAD, "route", "suspended"),
    OutcomeRow("rule 3", "data final", "", "", rf"{NOT_ABOUT_RECIPIENT}.*blocked sender", DEAD, "route", "suspended"),
    OutcomeRow("rule 3", OURS, "", "", r"\b(sending|account|subaccount|domain|mail)\b.{0,40}\bpaused\b|\bpaused\b.{0,40}\b(sending|account)", DEAD, "route", "paused"),
    OutcomeRow("rule 3", RECIPIENT_STAGES, "", "", rf"({SENDING}|{YOUR}).{{0,40}}\bpaused\b|\bpaused\b.{{0,40}}({SENDING}|{YOUR})", DEAD, "route", "paused"),
    OutcomeRow("rule 3", OURS, "", "", r"\bbilling\b|\bcredits?\b|payment required", DEAD, "route", "credits"),
    OutcomeRow("rule 3", RECIPIENT_STAGES, "", "", rf"{A_LETTER}.*({NO_CREDITS})", DEAD, "route", "credits"),
    OutcomeRow("rule 3", RECIPIENT_STAGES, "", "", rf"{A_LETTER}.*{YOUR}.*(upgrade|does not (allow|include|permit))", DEAD, "route", "plan"),
    OutcomeRow("rule 3", "", "", "", rf"{NOT_ABOUT_RECIPIENT}.*((daily|hourly|monthly|sending|message|relay)\b.{{0,30}}\b(quota|limit)\b|\b(quota|limit)\b.{{0,30}}\b(daily|hourly|monthly|per (hour|day)))", THROTTLED, "throttled", "quota", HOUR),
    OutcomeRow("rule 3", OURS, "", "", r"authentication (is )?(required|failed)|must authenticate|not authenticated", DEAD, "route", "login_needed"),
    OutcomeRow("rule 3", RECIPIENT_STAGES, "", "", r"^(?!.*(recipient|mailbox|group|mailing list|RESOLVER|DMARC|SPF|DKIM)).*(authentication (is )?required|must authenticate|(client|you) .*not authenticated|^[\d. ]*authentication failed)", DEAD, "route", "login_needed"),
    OutcomeRow("rule 3", OURS, "", "", r"not authori[sz]ed|not allowed to send", DEAD, "route", "not_authorised"),
    OutcomeRow("rule 3", RECIPIENT_STAGES, "", "", r"^(?!.*(recipient|mailbox|group|mailing list|\bto this\b)).*(\b(you|your|client|host|server|ip)\b.*not authori[sz]ed|not allowed to send(?! (\w+ ){0,3}to\b))", DEAD, "route", "not_authorised"),
    OutcomeRow("rule 3", OURS, "", "", r"unverified|not verified", CONFIG, "config", "sender"),
    OutcomeRow("rule 3", RECIPIENT_STAGES, "", "", r"^(?!.*recipient).*(\b(sender|sending|from[- ]address|your)\b.*(unverified|not verified)|\b(unverified|not verified) (sender|sending|from)\b)", CONFIG, "config", "sender"),
    OutcomeRow("rule 3", "rcpt data final", "", "", r"reputation", PROVIDER, "provider", "listed"),
    OutcomeRow("rule 3", "connect banner ehlo starttls mail", "5..", "", r"reputation", DEAD, "route", "listed"),
    # Rule 5, the rest
    OutcomeRow("mailbox", "rcpt", "5..", "", rf"\bmailbox\b.{{0,40}}{CLOSED}", RECIPIENT, "inactive"),
    OutcomeRow("rule 5", "rcpt data final", "...", r"[45]\.6\.\d+", "", MESSAGE, "content"),
    OutcomeRow("rule 5", "rcpt data final", "4..", r"4\.7\.\d+", "", SLOWER, "throttled", "rate", 300),
    OutcomeRow("rule 5", "rcpt data final", "...", r"[45]\.4\.\d+", "", RECIPIENT, "network"),
    OutcomeRow("rule 5", "rcpt data final", "4..", r"4\.3\.\d+", "", SLOWER, "system", "busy", 300),
    OutcomeRow("rule 5", "rcpt data final", "5..", r"5\.3\.\d+", "", RECIPIENT, "system"),
    OutcomeRow("rule 5", "data final", "5..", r"5\.5\.\d+", "", MESSAGE, "content"),
    OutcomeRow("rule 6", "rcpt", "452", "", r"too many recipients", LATER, "throttled"),
    # Rule 7: HTTP
    OutcomeRow("rule 7", "http", "401", "", "", DEAD, "route", "key", 600),
    OutcomeRow("rule 7", "http", "403", "", "", DEAD, "route", "not_authorised"),
    OutcomeRow("rule 7", "http", "402", "", "", DEAD, "route", "credits"),
    OutcomeRow("rule 7", "http", "413", "", "", MESSAGE, "size"),
    OutcomeRow("rule 7", "http", "4(00|22)", "", r"\b(to|recipient)\b'? (parameter|field|address)|(invalid|bad) recipient", RECIPIENT, "unavailable"),
    OutcomeRow("rule 7", "http", "4(00|22)", "", "", MESSAGE, "content"),
    OutcomeRow("rule 7", "http", "429", "", "", THROTTLED, "throttled", "rate", 60),
    OutcomeRow("rule 7", "http", "451", "", "", DEAD, "route", "refused"),
    OutcomeRow("rule 7", "http", "[45]..", "", "", THROTTLED, "throttled", "busy", 60),
    # Rule 1: where it happened
    OutcomeRow("rule 1", "connect banner ehlo starttls", "5..", "", "", DEAD, "route", "refused"),
    OutcomeRow("rule 1", "mail", "5..", "", "", CONFIG, "config", "sender"),
    OutcomeRow("rule 1", "connect banner ehlo starttls mail", "4..", "", "", THROTTLED, "throttled", "busy", 60),
    OutcomeRow("rule 1", "rcpt", "5..", "", "", RECIPIENT, "policy"),
    OutcomeRow("rule 1", "rcpt", "4..", "", "", LATER, "other"),
    OutcomeRow("rule 1", "data final", "5..", "", "", MESSAGE, "content"),
    OutcomeRow("rule 1", "data final", "4..", "", "", LATER, "other"),
)  # fmt: skip

# Characters of an answer in which words are looked for: a hostile one may have millions, and patterns go back and forth.
WORDS_READ = 1500
REJECTED = re.compile(r'"status"\s*:\s*"(rejected|invalid|error)"', re.IGNORECASE)
ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")


class CompiledTable(NamedTuple):
    stages: frozenset[str]
    code: re.Pattern[str]
    enhanced: re.Pattern[str]
    words: re.Pattern[str]
    row: OutcomeRow


@cache
def _rows() -> tuple[CompiledTable, ...]:
    """At the first refusal: every process imports this module, and few of them read what relays answer."""
    return tuple(
        CompiledTable(
            frozenset(row.stages.split()),
            re.compile(row.code),
            re.compile(row.enhanced),
            re.compile(row.words, re.IGNORECASE),
            row,
        )
        for row in TABLE
    )


def find_row(stage: str, code: int, text: str) -> OutcomeRow | None:
    """The row of TABLE that reads this answer. None for a code that is no code, or comes where it makes no sense."""
    digits = str(code)
    enhanced = ENHANCED.match(text)
    text = ADDRESS.sub("…", text[:WORDS_READ])  # billing@… is somebody's address, and no word about us
    status = enhanced[1] if enhanced else ""
    for stages, codes, statuses, words, row in _rows():
        if stages and stage not in stages:
            continue
        if row.code and not codes.fullmatch(digits):
            continue
        if row.enhanced and not statuses.fullmatch(status):
            continue
        if words.search(text):
            return row
    return None


def judge(stage: Stage, code: int, text: str) -> tuple[Outcome, RouteVerdict]:
    """What an answer means for the message, and what it means for the route.

    `code` is the three digits (0: there were none), `text` the rest of the answer, lines joined, enhanced code first.
    HTTP with a 2 and `"status": "rejected"` in its body (Mandrill) is no yes; it reads as a 600.
    """
    if stage == "http" and 200 <= code < 300 and REJECTED.search(text):
        code = 600
    if 200 <= code < 300 or (stage == "data" and code == 354):
        return Accepted(code), OK
    row = find_row(stage, code, text) if 400 <= code < 700 else None
    if row is None:
        return Deferred(code, text, "route", "bad_answer"), RouteVerdict("ok", "bad_answer")
    delay = seconds_told(text)
    kind = row.kind
    wait = delay or row.wait if kind.scope == "throttle" or row.wait else None
    if kind.final and (code >= 500 or stage == "http"):
        return Refused(code, text, kind.scope, row.answer), OK
    early = stage in EARLY
    verdict = RouteVerdict(kind.state, row.reason, {}, wait, early) if row.reason else OK
    return Deferred(code, text, kind.scope, row.answer, delay or (wait if kind.scope == "throttle" else None)), verdict


def classify(stage: Stage, code: int, text: str) -> Outcome:
    """What an answer means for the message: see `judge`."""
    return judge(stage, code, text)[0]


ADDRESS = re.compile(r"(?<![^\s<>(),;:\"'])[^\s<>(),;:\"']+(?:@|%40|=40)[^\s<>(),;\"']+")
QUEUED = re.compile(r"\b(queued (?:mail )?(?:for delivery )?as|queue ?id|id=)\W*\S+", re.IGNORECASE)
TOKEN = re.compile(r"\b[A-Za-z0-9_-]{24,}\b")
LONGEST = 300


def scrub(text: str, recipient: str = "", limit: int = LONGEST) -> str:
    """An answer that may be stored: without addresses, queue ids, tokens and control characters, and not too long.

    Some relays name only the local part (`no such user boris`), so the recipient of the message is taken out as well.
    """
    line = " ".join(text[: limit * 10].split())
    if not line.isprintable():
        line = " ".join("".join(c if c.isprintable() else " " for c in line).split())
    local = recipient.rpartition("@")[0]
    line = _without(line, [part for part in (recipient, recipient.replace("@", "="), local) if len(part) > 1])
    if "@" in line or "40" in line:
        line = ADDRESS.sub("…", line)
    lower = line.lower()
    if "queue" in lower or "id=" in lower or not line.isascii():
        line = QUEUED.sub(r"\1 …", line)
    return TOKEN.sub("…", line)[:limit].strip()


def _without(line: str, names: Sequence[str]) -> str:
    """Without these words. A pattern is made where letters beyond ASCII ask for one, since some of them are others in
    another case: it takes 100 us, as long as reading half a report, and each recipient has their own."""
    if not line.isascii() or not all(map(str.isascii, names)):
        either = "|".join(map(re.escape, names))
        return re.sub(rf"(?<!\w)(?:{either})(?!\w)", "…", line, flags=re.IGNORECASE) if names else line
    lower = line.lower()
    for name in names:
        searched, pieces, done = name.lower(), list[str](), 0
        at = lower.find(searched)
        while at >= 0:
            end = at + len(searched)
            beside = f"{line[at - 1 : at]}{line[end : end + 1]}".replace("_", "a")
            if any(map(str.isalnum, beside)):  # A part of a longer word.
                at = lower.find(searched, at + 1)
                continue
            pieces += (line[done:at], "…")
            done, at = end, lower.find(searched, end)
        if pieces:
            line = "".join(pieces) + line[done:]
            lower = line.lower()
    return line


DIGITS = re.compile(r"\d+")
# Paths, links, and words of letters and digits that name a session or a file; not the parts of a host's name.
NAMES = re.compile(r"(?<!\S)\S*/\S*|(?<![\w.-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{6,}(?![\w-]|\.\w)")

# Rule 2. Five equal refusals in a row for five domains do not come from five postmasters. "No such mailbox" in the
# same words can be a stale list behind a relay that checks recipients: at 30 % stale, 25 in a row never happen.
SAME = 5
SAME_MAILBOX = 25
SPEAKS_OF_ITSELF = ("no_such_mailbox", "unavailable", "full", "inactive")


@dataclass(slots=True)
class SameRefusal:
    """Counts the same refusal (digits and addresses removed) for different recipient domains, no success between.

    `note` answers True when it means the route. `success` and any other refusal begin anew.
    """

    limit: int = SAME
    mailbox_limit: int = SAME_MAILBOX
    signature: str = ""
    domains: set[str] = field(
        default_factory=set
    )  # All domains of one mailbox provider are one: it has one postmaster.

    def success(self) -> None:
        """A message was accepted."""
        self.signature = ""
        self.domains.clear()

    def begins_anew(self, outcome: Deferred | Refused) -> bool:
        """Is this another refusal than the one being counted?"""
        return self.signature != like(outcome)

    def note(self, outcome: Deferred | Refused, recipient: str) -> bool:
        """A message was not accepted. True: the same words came for too many domains."""
        signature = like(outcome)
        if signature != self.signature:
            self.signature = signature
            self.domains.clear()
        self.domains.add(mailbox_provider(recipient))
        limit = self.mailbox_limit if outcome.answer in SPEAKS_OF_ITSELF else self.limit
        return len(self.domains) >= limit


def like(outcome: Deferred | Refused) -> str:
    """Code and text without what differs from one recipient to the next."""
    return f"{outcome.code} {DIGITS.sub('', NAMES.sub('', ADDRESS.sub('', scrub(outcome.text))))}"


def as_route_fault(outcome: Deferred | Refused, scope: Scope = "route") -> Deferred:
    """The same answer, once it is known to mean the route; scope "config": our sender on it."""
    if isinstance(outcome, Deferred):
        return replace(outcome, scope=scope, answer=scope)
    return Deferred(outcome.code, outcome.text, scope, scope)
