"""Papers that the law asks of whoever keeps readers' data, drafted from the real settings, in either language.

A paper is a title and sections; each section a heading and lines, of which those that begin with "- " are a list.
The articles are those of the GDPR (Regulation (EU) 2016/679), as of LAW_OF. A draft is no legal advice, and says so.
"""

from dataclasses import dataclass
from datetime import date
from itertools import groupby

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from samizdat import formatting
from samizdat.labels import field_label
from samizdat.privacy import retention_rules
from samizdat.privacy.settings import ListFacts, PrivacyFacts

LAW_OF = date(2026, 11, 25)
LANGUAGES = ("en", "ru")


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    lines: tuple[str, ...]

    @property
    def blocks(self) -> list[tuple[bool, list[str]]]:
        """(whether it is a list, its lines) of each run, for pages."""
        return [
            (listed, [line.removeprefix("- ") for line in run])
            for listed, run in groupby(self.lines, lambda line: line.startswith("- "))
        ]


@dataclass(frozen=True, slots=True)
class LegalDocument:
    """`gaps`: what the settings do not tell and a person has to write in."""

    title: str
    lead: str
    sections: tuple[Section, ...]
    gaps: tuple[str, ...] = ()


def record_of_processing(facts: PrivacyFacts, today: date, language: str) -> LegalDocument:
    """Article 30(1): what a controller writes down of its processing."""
    with override(language):
        return LegalDocument(
            _("Record of processing activities: newsletters of %(name)s") % {"name": facts.organization},
            _draft(today),
            (
                Section(_("Who is responsible (article 30(1)(a))"), _controller(facts)),
                Section(_("What for (b)"), _purposes(facts)),
                Section(_("Whose data, and which (c)"), _categories(facts)),
                Section(_("Who receives them (d)"), _recipients(facts)),
                Section(_("Other countries (e)"), (_transfers(facts),)),
                Section(_("When they are erased (f)"), _periods(facts)),
                Section(_("How they are protected (g)"), _measures()),
            ),
            _gaps(facts),
        )


def privacy_notice(facts: PrivacyFacts, today: date, language: str) -> LegalDocument:
    """Article 13: what readers are told when they sign up."""
    with override(language):
        return LegalDocument(
            _("What %(name)s does with your data") % {"name": facts.organization},
            _draft(today),
            (
                Section(_("Who we are"), _controller(facts)),
                Section(_("Why we use your data, and on what legal basis"), (*_purposes(facts), _basis())),
                Section(_("What we store about you"), _kept(facts)),
                Section(_("What we don’t store"), _not_kept()),
                Section(_("Who else sees your data"), (*_recipients(facts), _transfers(facts), _mailbox())),
                Section(_("How long"), _periods(facts)),
                Section(_("Your rights"), _rights(facts)),
            ),
            _gaps(facts),
        )


def _draft(today: date) -> str:
    return _(
        "Drafted on %(day)s from the settings of this installation, under the law as of %(law)s. This draft isn’t "
        "legal advice: have it checked by someone who knows the law where you are."
    ) % {"day": formatting.shaped(today, "day"), "law": formatting.shaped(LAW_OF, "day")}


def _gaps(facts: PrivacyFacts) -> tuple[str, ...]:
    gaps = [_("A data protection officer or a representative in the EU, where you must have one (articles 27 and 37).")]
    if not facts.address:
        gaps.insert(0, _("Your postal address: enter it under Settings."))
    if not facts.public_url:
        gaps.insert(0, _("The address of your public pages: enter it under Settings."))
    if not facts.return_address and not facts.unsubscribe_mailbox:
        gaps.append(_("An email address that subscribers can write to."))
    if any(not list_facts.wording for list_facts in facts.lists):
        gaps.append(_("What subscribers of each list agree to: publish its form, or write the consent wording there."))
    gaps.append(
        _("Who deletes backups after %(n)s days, and how: Samizdat doesn’t know about your copies.")
        % {"n": retention_rules.BACKUP_DAYS}
    )
    gaps.append(
        _("Which country’s law each provider works under, and on what basis data goes there (articles 44 to 49).")
    )
    return tuple(gaps)


def _controller(facts: PrivacyFacts) -> tuple[str, ...]:
    lines = [facts.organization, facts.address, facts.public_url, facts.unsubscribe_mailbox or facts.return_address]
    return tuple(" ".join(line.split()) for line in lines if line) or (facts.organization,)


def _purposes(facts: PrivacyFacts) -> tuple[str, ...]:
    lines = [_("Sending emails to people who asked for them, and proving that they asked.")]
    for list_facts in facts.lists:
        words = _("- “%(list)s”: “%(wording)s”") if list_facts.wording else _("- “%(list)s”")
        lines.append(words % {"list": list_facts.name, "wording": list_facts.wording})
    return (*lines, *_appeals(facts))


def _appeals(facts: PrivacyFacts) -> tuple[str, ...]:
    """As the house does it: whom it asks for a yes to them, or whose yes it noted."""
    asking = [list_facts for list_facts in facts.lists if list_facts.appeals or list_facts.agreed]
    if not asking:
        text = _(
            "Fundraising appeals are a separate purpose: agreeing to newsletters doesn’t include them, and nobody "
            "is asked to agree to them."
        )
        return (text,)
    lines = [
        _("Sending fundraising appeals to subscribers who agreed to those, too: agreeing to newsletters isn’t enough.")
    ]
    for list_facts in asking:
        words = _("- with “%(list)s”: “%(wording)s”") if list_facts.appeals else _("- with “%(list)s”")
        lines.append(words % {"list": list_facts.name, "wording": list_facts.appeals})
    return tuple(lines)


def _basis() -> str:
    return _(
        "Your consent (article 6(1)(a)), which you can withdraw at any time; what was done before stays lawful. We "
        "keep the record of your consent and of your unsubscribing because we have to prove it (articles 5(2) and "
        "7(1))."
    )


def _categories(facts: PrivacyFacts) -> tuple[str, ...]:
    people = sum(list_facts.known for list_facts in facts.lists)
    lines = [
        ngettext(
            "Subscribers to our emails: %(n)s record on all lists.",
            "Subscribers to our emails: %(n)s records on all lists.",
            people,
        )
        % {"n": formatting.grouped(people)},
        _("- email address"),
        _("- what was agreed to, in what wording, when and how, and when it was withdrawn"),
        _("- language, and which large mailbox provider the address belongs to"),
        _("- which email was sent on which day, and what the mail server answered"),
        _("- what they chose in their preferences, tags, and notes"),
    ]
    if facts.fields:
        lines.append(_("- what they told us or were asked: %(fields)s") % {"fields": _names(facts)})
    lines.append(
        _("Being on a list can reveal a political opinion: treat all of it as a special category (article 9).")
    )
    return tuple(lines)


def _names(facts: PrivacyFacts) -> str:
    return ", ".join(field_label(tag, label) for tag, label in facts.fields)


def _kept(facts: PrivacyFacts) -> tuple[str, ...]:
    """The same, said to a reader: how many readers there are is nobody's business but the organization's."""
    lines = [
        _("- your email address"),
        _("- what you agreed to, in what wording, when and how, and when you withdrew it"),
        _("- your language, and which large mailbox provider your address belongs to"),
        _("- which email was sent to you on which day, and what the mail server answered"),
        _("- what you chose in your preferences, and our tags and notes"),
    ]
    if facts.fields:
        lines.append(_("- what you told us or were asked: %(fields)s") % {"fields": _names(facts)})
    lines.append(
        _("Being on a list can reveal a political opinion: we treat all of it as a special category (article 9).")
    )
    return tuple(lines)


def _not_kept() -> tuple[str, ...]:
    return (
        _("- whether you opened an email or clicked a link in it"),
        _("- your IP address, and which program or device you use"),
        _("- where you are"),
        _("We make no automated decisions about you, and no profile (article 22)."),
    )


def _recipients(facts: PrivacyFacts) -> tuple[str, ...]:
    if not facts.routes:
        return (_("Nobody: no sending route is set up yet."),)
    lines = [_("These see the address and the email when it’s handed over:")]
    for route in facts.routes:
        where = route.host or _("our own server")
        lines.append(
            _("- %(name)s (%(scheme)s, %(host)s)") % {"name": route.name, "scheme": route.scheme, "host": where}
        )
    lines.append(_("Nobody gets a whole list. Data isn’t sold or passed on."))
    return tuple(lines)


def _mailbox() -> str:
    return _("Your mailbox provider can read the emails you get.")


def _transfers(facts: PrivacyFacts) -> str:
    return _(
        "A provider above may be in a country outside the European Economic Area; the basis of each transfer is "
        "named in the contract with that provider."
    )


def _periods(facts: PrivacyFacts) -> tuple[str, ...]:
    lines = [
        _("- Unconfirmed sign-ups: deleted after %(n)s days.") % {"n": retention_rules.UNCONFIRMED_DAYS},
        _("- Erased data: gone at once; from backups within %(n)s days.") % {"n": retention_rules.BACKUP_DAYS},
        _(
            "- After erasure a keyed hash of the address stays. It names nobody, and keeps old files from bringing "
            "the address back."
        ),
    ]
    for list_facts in facts.lists:
        lines += _periods_of(list_facts)
    return tuple(lines)


def _periods_of(list_facts: ListFacts) -> list[str]:
    left = (
        _("- “%(list)s”: people who unsubscribed are erased after %(n)s days.")
        if list_facts.left_days is not None
        else _("- “%(list)s”: a record of unsubscribing is kept as proof; no retention period has been set yet.")
    )
    letters = (
        _("- “%(list)s”: who was sent which email is kept for %(n)s months, then only totals.")
        if list_facts.delivery_months is not None
        else _("- “%(list)s”: who was sent which email is kept; no retention period has been set yet.")
    )
    return [
        left % {"list": list_facts.name, "n": list_facts.left_days},
        letters % {"list": list_facts.name, "n": list_facts.delivery_months},
    ]


def _measures() -> tuple[str, ...]:
    return (
        _("- Addresses, names and fields are encrypted (AES-256-GCM); addresses are found by a keyed hash."),
        _("- The key file is kept outside the data folder: without it, a copied database or backup names nobody."),
        _(
            "- Everyone on the team has a role; each view of a subscriber is written to a log that can’t be "
            "changed unnoticed."
        ),
        _("- Public pages run separately, without any list, and encrypt what people send there at once."),
        _(
            "- No IP address, program or open is stored anywhere; for clicks, at most one total per link and day, "
            "not tied to anyone."
        ),
    )


def _rights(facts: PrivacyFacts) -> tuple[str, ...]:
    lines = [
        _("- to unsubscribe with the link in every email, without giving a reason"),
        _("- to see everything we have about you, as one file (articles 15 and 20)"),
        _("- to have it corrected (16), erased (17) or its use restricted (18)"),
        _("- to object to our emails, which stops them at once (21)"),
        _("- to complain to the data protection authority where you live (77)"),
        _("We answer within one month (article 12(3))."),
    ]
    if mailbox := facts.unsubscribe_mailbox or facts.return_address:
        lines.append(_("Write to %(mailbox)s.") % {"mailbox": mailbox})
    return tuple(lines)


def as_text(paper: LegalDocument) -> str:
    """Markdown, to copy or to keep."""
    lines = [f"# {paper.title}", "", paper.lead, ""]
    for section in paper.sections:
        lines += [f"## {section.heading}", ""]
        before = ""
        for line in section.lines:
            if before and before.startswith("- ") != line.startswith("- "):
                lines.append("")
            elif before and not line.startswith("- "):
                lines[-1] += "  "  # Two blanks: a line of its own.
            lines.append(line)
            before = line
        lines.append("")
    return "\n".join(lines)
