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
                Section(_("What we need your data for, and by what right"), (*_purposes(facts), _basis())),
                Section(_("What we keep of you"), _kept(facts)),
                Section(_("What we do not keep"), _not_kept()),
                Section(_("Who else sees them"), (*_recipients(facts), _transfers(facts), _mailbox())),
                Section(_("How long"), _periods(facts)),
                Section(_("What you may ask of us"), _rights(facts)),
            ),
            _gaps(facts),
        )


def _draft(today: date) -> str:
    return _(
        "Drafted on %(day)s from the settings of the house, by the law of %(law)s. A draft is no legal advice: have it "
        "read by somebody who knows the law where you are."
    ) % {"day": formatting.shaped(today, "day"), "law": formatting.shaped(LAW_OF, "day")}


def _gaps(facts: PrivacyFacts) -> tuple[str, ...]:
    gaps = [_("A data protection officer or a representative in the EU, where you must have one (articles 27 and 37).")]
    if not facts.address:
        gaps.insert(0, _("Your postal address: write it under Settings."))
    if not facts.public_url:
        gaps.insert(0, _("The address of your public pages: write it under Settings."))
    if not facts.return_address and not facts.unsubscribe_mailbox:
        gaps.append(_("A mailbox that readers can write to."))
    if any(not list_facts.wording for list_facts in facts.lists):
        gaps.append(_("What readers of each list agree to: switch its form on, or write the words there."))
    gaps.append(
        _("Who throws backups away after %(n)s days, and how: the house does not know of your copies.")
        % {"n": retention_rules.BACKUP_DAYS}
    )
    gaps.append(_("Under whose law each provider works, and on what ground data go there (articles 44 to 49)."))
    return tuple(gaps)


def _controller(facts: PrivacyFacts) -> tuple[str, ...]:
    lines = [facts.organization, facts.address, facts.public_url, facts.unsubscribe_mailbox or facts.return_address]
    return tuple(" ".join(line.split()) for line in lines if line) or (facts.organization,)


def _purposes(facts: PrivacyFacts) -> tuple[str, ...]:
    lines = [_("Sending letters to people who asked for them, and proving that they asked.")]
    for list_facts in facts.lists:
        words = _("- “%(list)s”: “%(wording)s”") if list_facts.wording else _("- “%(list)s”")
        lines.append(words % {"list": list_facts.name, "wording": list_facts.wording})
    return (*lines, *_appeals(facts))


def _appeals(facts: PrivacyFacts) -> tuple[str, ...]:
    """As the house does it: whom it asks for a yes to them, or whose yes it noted."""
    asking = [list_facts for list_facts in facts.lists if list_facts.appeals or list_facts.agreed]
    if not asking:
        text = _(
            "Appeals for money are a purpose of their own: who agreed to letters has not agreed to those, and nobody "
            "is asked to."
        )
        return (text,)
    lines = [
        _("Sending appeals for money to those readers who agreed to that, too: agreeing to letters is not enough.")
    ]
    for list_facts in asking:
        words = _("- with “%(list)s”: “%(wording)s”") if list_facts.appeals else _("- with “%(list)s”")
        lines.append(words % {"list": list_facts.name, "wording": list_facts.appeals})
    return tuple(lines)


def _basis() -> str:
    return _(
        "By your consent (article 6(1)(a)), which you can withdraw at any time; what was done before stays lawful. The "
        "record of your consent and of your leaving is kept because we have to prove it (articles 5(2) and 7(1))."
    )


def _categories(facts: PrivacyFacts) -> tuple[str, ...]:
    people = sum(list_facts.known for list_facts in facts.lists)
    lines = [
        ngettext(
            "Readers of our letters: %(n)s entry on all lists.",
            "Readers of our letters: %(n)s entries on all lists.",
            people,
        )
        % {"n": formatting.grouped(people)},
        _("- e-mail address"),
        _("- what was agreed to, in which words, when and how, and when it was withdrawn"),
        _("- language, and which large mailbox service the address belongs to"),
        _("- which letter was sent on which day, and what the mail server answered"),
        _("- what she chose in her settings, tags, and notes"),
    ]
    if facts.fields:
        lines.append(_("- what she told or was asked: %(fields)s") % {"fields": _names(facts)})
    lines.append(_("Being on a list can show a political opinion: treat all of it as a special category (article 9)."))
    return tuple(lines)


def _names(facts: PrivacyFacts) -> str:
    return ", ".join(field_label(tag, label) for tag, label in facts.fields)


def _kept(facts: PrivacyFacts) -> tuple[str, ...]:
    """The same, said to her: how many readers there are is nobody's business but the organization's."""
    lines = [
        _("- your e-mail address"),
        _("- what you agreed to, in which words, when and how, and when you withdrew it"),
        _("- your language, and which large mailbox service your address belongs to"),
        _("- which letter was sent to you on which day, and what the mail server answered"),
        _("- what you chose in your settings, and tags and notes of ours"),
    ]
    if facts.fields:
        lines.append(_("- what you told us or were asked: %(fields)s") % {"fields": _names(facts)})
    lines.append(
        _("That you are on a list can show a political opinion: we treat all of it as a special category (article 9).")
    )
    return tuple(lines)


def _not_kept() -> tuple[str, ...]:
    return (
        _("- whether you opened a letter or pressed a link in it"),
        _("- your IP address, and which program or device you use"),
        _("- where you are"),
        _("No decision about you is made by a machine, and no profile (article 22)."),
    )


def _recipients(facts: PrivacyFacts) -> tuple[str, ...]:
    if not facts.routes:
        return (_("Nobody: no way out is set up yet."),)
    lines = [_("Whoever carries a letter sees the address and the letter, when it is handed over:")]
    for route in facts.routes:
        where = route.host or _("our own machine")
        lines.append(
            _("- %(name)s (%(scheme)s, %(host)s)") % {"name": route.name, "scheme": route.scheme, "host": where}
        )
    lines.append(_("Nobody gets a whole list. Data are not sold and not passed on."))
    return tuple(lines)


def _mailbox() -> str:
    return _("Your own mailbox provider can read the letters that come to you.")


def _transfers(facts: PrivacyFacts) -> str:
    return _(
        "A provider above may be in a country outside of the European Economic Area; for each of them the ground of "
        "the transfer is named in the contract with it."
    )


def _periods(facts: PrivacyFacts) -> tuple[str, ...]:
    lines = [
        _("- Who did not confirm a sign-up: forgotten after %(n)s days.") % {"n": retention_rules.UNCONFIRMED_DAYS},
        _("- Who is erased: gone at once; from backups within %(n)s days.") % {"n": retention_rules.BACKUP_DAYS},
        _(
            "- After an erasure a keyed mark of the address stays, which names nobody and keeps old files from "
            "bringing it back."
        ),
    ]
    for list_facts in facts.lists:
        lines += _periods_of(list_facts)
    return tuple(lines)


def _periods_of(list_facts: ListFacts) -> list[str]:
    left = (
        _("- “%(list)s”: who left is erased after %(n)s days.")
        if list_facts.left_days is not None
        else _("- “%(list)s”: of who left, the record of it is kept as proof, without an end that is set yet.")
    )
    letters = (
        _("- “%(list)s”: who got which letter is kept for %(n)s months, then only totals.")
        if list_facts.delivery_months is not None
        else _("- “%(list)s”: who got which letter is kept without an end that is set yet.")
    )
    return [
        left % {"list": list_facts.name, "n": list_facts.left_days},
        letters % {"list": list_facts.name, "n": list_facts.delivery_months},
    ]


def _measures() -> tuple[str, ...]:
    return (
        _("- Addresses, names and fields are sealed (AES-256-GCM); addresses are found by a keyed hash."),
        _("- The key file lies outside of the data folder: a copied database or backup without it names nobody."),
        _(
            "- Roles for people who work here; looking at a reader is written to a log that cannot be changed "
            "unnoticed."
        ),
        _("- Public pages run apart, without any list, and seal what readers send in at once."),
        _(
            "- No IP address, program or opening is stored anywhere; of clicks at most one sum a link and day, "
            "of nobody."
        ),
    )


def _rights(facts: PrivacyFacts) -> tuple[str, ...]:
    lines = [
        _("- to leave, by the link in every letter, without a reason"),
        _("- to see all that we have of you, as one file (articles 15 and 20)"),
        _("- to have it corrected (16), erased (17) or put on hold (18)"),
        _("- to object to our letters, which ends them at once (21)"),
        _("- to complain at the data protection authority where you live (77)"),
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
