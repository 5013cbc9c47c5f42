"""Requests to a provider and the complaint about it, in words, from what is known of a closed account.

kinds.toml says what can be asked for, by whom and under which laws; a file for each language has the words. A text is
a draft for a person to check, no legal advice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from samizdat.core.dates import php_date, usual
from samizdat.core.rescue.case import ClosedAccount, laws_for
from samizdat.core.rescue.laws import LAWS, Law, document, due
from samizdat.core.rescue.parties import PROVIDERS, company, holidays_at

LANGUAGES = ("en", "ru")


@dataclass(frozen=True, slots=True)
class Kind:
    """Something to ask for. `asked`: days that its text gives them, where no law sets a time."""

    id: str
    to: str
    by: str
    laws: tuple[str, ...]
    asked: int = 0


KINDS: MappingProxyType[str, Kind] = MappingProxyType(
    {row["id"]: Kind(**{**row, "laws": tuple(row["laws"])}) for row in document("requests/kinds.toml")["kind"]}
)
_WORDS: Mapping[str, Mapping[str, Any]] = {code: document(f"requests/{code}.toml") for code in LANGUAGES}


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that went out. `received`: the day it reached them, from which a period runs."""

    kind: str
    sent: date
    received: date
    answered: date | None = None
    extended: bool = False


@dataclass(frozen=True, slots=True)
class ResponseDeadline:
    """The last day to answer. `by_law` is None where only our text asks for a day; `extendable` is the last day if
    they extend the period in time.
    """

    at: date
    by_law: Law | None = None
    extendable: date | None = None


@dataclass(frozen=True, slots=True)
class RequestText:
    """A request in one language. `gaps`: how many places a person has to fill in."""

    kind: str
    title: str
    text: str
    gaps: int


def label(kind: str, language: str) -> str:
    """What a kind is called, in a menu."""
    return str(_WORDS[language][kind]["label"])


def about(kind: str, language: str) -> str:
    """When it's of use."""
    return str(_WORDS[language][kind]["about"])


def kinds_for(account: ClosedAccount) -> tuple[Kind, ...]:
    """What can be asked for: one of its laws applies, or it needs none."""
    applying = {applied.law.id for applied in laws_for(account)}
    return tuple(kind for kind in KINDS.values() if not kind.laws or applying.intersection(kind.laws))


def deadline(account: ClosedAccount, sent: Sent) -> ResponseDeadline | None:
    """None if neither a law nor the text sets a time to answer."""
    applying = {applied.law.id for applied in laws_for(account)}
    kind = KINDS[sent.kind]
    for name in kind.laws:
        period = LAWS[name].period
        if name in applying and period is not None:
            years = (sent.received.year, sent.received.year + 1)
            last = due(period, sent.received, holidays_at(account.provider_country, years))
            if sent.extended and last.extended:
                return ResponseDeadline(last.extended, LAWS[name])
            return ResponseDeadline(last.at, LAWS[name], last.extended)
    return ResponseDeadline(sent.received + timedelta(days=kind.asked)) if kind.asked else None


def draft(
    kind: Kind,
    account: ClosedAccount,
    today: date,
    language: str,
    sent: Sequence[Sent] = (),
    evidence: Sequence[str] = (),
    signed: Sequence[str] = (),
) -> RequestText:
    """The text of a request, as plain text with a line for each paragraph.

    `evidence`: a line for each thing enclosed; `signed`: lines that say who signed. What isn't known stands as a gap.
    """
    words = _WORDS[language]
    values = _values(kind, account, today, language)
    applying = {applied.law.id for applied in laws_for(account)}
    inserts = {
        "lost": [words["lost"][name] for name in account.lost],
        "sent": [_sent_line(each, account, language) for each in sent] or [words["blank"]],
        "evidence": list(evidence) or [words["blank"]],
        "signed": list(signed) or [words["blank"]],
    }
    title = words[kind.id]["title"].format_map(values)
    lines = [
        values["organization" if kind.by == "organization" else "signed"],
        words["dated"].format_map(values),
        "",
        words["recipient"].format_map(values),
        words["subject"].format_map({"title": title}),
        "",
        words["greeting"],
        "",
    ]
    for paragraph in words[kind.id]["text"]:
        if "law" not in paragraph or applying.intersection(paragraph["law"]):
            lines += [paragraph["say"].format_map(values), *_listed(inserts, paragraph), ""]
    answer = words["answer" if kind.by == "organization" else "answer_person"].format_map(values)
    lines += [answer, "", words["closing"], values["signed"], ""]
    if references := _references(kind, applying, language):
        lines += [words["references"], *references]
    text = "\n".join(lines) + "\n"
    return RequestText(kind.id, title, text, text.count(words["blank"]))


@dataclass(frozen=True, slots=True)
class PetitionWords:
    """What a petition's list, form and fields are called, and what its form says."""

    list: str
    form: str
    intro: str
    wording: str
    thanks: str
    name: str
    shown: str


def petition_words(account: ClosedAccount, language: str) -> PetitionWords:
    """In one language."""
    values = {"company": _called(account), "organization": account.organization}
    words = _WORDS[language]["petition"]
    return PetitionWords(**{name: words[name].format_map(values) for name in PetitionWords.__slots__})


def sign_words(language: str) -> str:
    """Of the link on a public page that leads to the form."""
    return str(_WORDS[language]["petition"]["sign"])


@dataclass(frozen=True, slots=True)
class SignatureMail:
    """What the mail says that asks whether somebody signed."""

    subject: str
    asked: str
    otherwise: str


def signature_mail(title: str, language: str) -> SignatureMail:
    """Of a petition's form with this title. language: one of LANGUAGES."""
    words = _WORDS[language]["petition"]
    return SignatureMail(*(words[f"mail_{name}"].format(title=title) for name in SignatureMail.__slots__))


def signed_lines(count: int, names: Sequence[str], language: str) -> list[str]:
    """How many signed, and who of them shows their name."""
    words = _WORDS[language]["petition"]
    lines = [words["count"].format(count=f"{count:,}" if language == "en" else f"{count:,}".replace(",", "\u00a0"))]
    return [*lines, words["names"].format(names=", ".join(names))] if names else lines


def timeline_title(account: ClosedAccount, language: str) -> str:
    """What a public page about a case is called."""
    return str(_WORDS[language]["timeline"]["title"].format(company=_called(account)))


def timeline(account: ClosedAccount, sent: Sequence[Sent], today: date, language: str) -> list[tuple[date, str]]:
    """What happened, oldest first, in sentences that name nobody of the organization: a proposal for a public page.

    Texts for subscribers to send are left out: who sends them is theirs to say.
    """
    words, company = _WORDS[language]["timeline"], _called(account)
    lines = [(account.closed, words["closed"].format(company=company))]
    for each in sent:
        if KINDS[each.kind].by != "organization":
            continue
        values = {"company": company, "label": label(each.kind, language)}
        if KINDS[each.kind].to == "authority":
            lines.append((each.sent, words["complained"]))
            continue
        lines.append((each.sent, words["sent"].format_map(values)))
        until = deadline(account, each)
        if each.answered is not None:
            lines.append((each.answered, words["answered"].format_map(values)))
        elif until is not None and until.at < today:
            lines.append((until.at, words["due"].format_map(values)))
    return sorted(lines, key=lambda line: line[0])


def _called(account: ClosedAccount) -> str:
    """The provider as people know it."""
    known = PROVIDERS.get(account.provider)
    return known.name if known else account.provider


def _listed(inserts: Mapping[str, list[str]], paragraph: Mapping[str, Any]) -> list[str]:
    return [f"- {line}" for line in inserts.get(paragraph.get("insert", ""), ())]


def _references(kind: Kind, applying: set[str], language: str) -> list[str]:
    used = [LAWS[name] for name in kind.laws if name in applying]
    return [f"- {law.name[language]}: {law.source}" for law in used]


def _values(kind: Kind, account: ClosedAccount, today: date, language: str) -> dict[str, str]:
    """What stands for each placeholder; what isn't known is a gap. Answers to a subscriber are for them alone."""
    blank = _WORDS[language]["blank"]
    known = {
        "organization": account.organization,
        "company": company(account.provider),
        "recipient": company(account.provider) if kind.to == "provider" else account.authority,
        "account": account.account,
        "owner": account.owner,
        "closed": _day(account.closed, language),
        "today": _day(today, language),
        "reply_to": account.reply_to if kind.by != "subscriber" else "",
        "signed": account.signed if kind.by != "subscriber" else "",
        "asked": str(kind.asked),
    }
    return {name: " ".join(value.split()) or blank for name, value in known.items()}


def _day(day: date, language: str) -> str:
    return php_date(usual(language), datetime(day.year, day.month, day.day), language)


def _sent_line(sent: Sent, account: ClosedAccount, language: str) -> str:
    """`December 3, 2026: Return our data; due: December 17, 2026`."""
    until = deadline(account, sent)
    line = f"{_day(sent.sent, language)}: {label(sent.kind, language)}"
    notes = {"en": ("due", "answered"), "ru": ("срок", "ответ")}[language]
    if until is not None:
        line += f"; {notes[0]}: {_day(until.at, language)}"
    return line + (f"; {notes[1]}: {_day(sent.answered, language)}" if sent.answered else "")
