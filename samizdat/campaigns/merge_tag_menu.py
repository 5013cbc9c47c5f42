"""What a writer can put into a letter: the merge tags there are, those of the organization's own fields first."""

from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.audience import condition_values
from samizdat.audience import queries as audience
from samizdat.campaigns.content import ALWAYS
from samizdat.core.content.merge import GROUPS
from samizdat.core.content.mergetable import ROWS, WORDS
from samizdat.core.dates import usual

# As many groups as somebody looks through in a menu; a letter may ask for every other one, too.
MOST_GROUPS = 50
# Rows that show how fields are written: in the menu the organization's own fields stand in their place.
_SAMPLES = frozenset(
    {"field", "default", "url", "day", "group", "tagged", "if", "if_else", "if_not", "if_is", "if_more"}
)


def offered(organization: Organization, language: str) -> list[dict[str, str]]:
    """Each tag as a document: tag, mailchimp, label, group, default. `tag` is what is put into the letter."""
    return [*_fields(organization, language), *_known(), *_conditions(organization)]


def _fields(organization: Organization, language: str) -> list[dict[str, str]]:
    views = audience.fields(organization)
    known = {view.tag: (view.label, view.default, view.kind) for view in views}
    spare = {"FNAME": _("First name"), "LNAME": _("Last name")}
    for tag in ALWAYS:
        known.setdefault(tag, (spare[tag], "", "text"))
    entries = []
    for tag, (label, default, kind) in known.items():
        written = f'{{{{ {tag} | date: "{usual(language)}" }}}}' if kind == "date" else f"{{{{ {tag} }}}}"
        entries.append(_entry("field", written, f"*|{tag}|*", label or tag, default))
    return entries


def _known() -> list[dict[str, str]]:
    rows = (row for row in ROWS if row.about not in _SAMPLES and row.ours)
    return [_entry(row.group, row.ours, row.mailchimp, _(WORDS[row.about])) for row in rows]


def _conditions(organization: Organization) -> list[dict[str, str]]:
    entries = []
    for view in audience.fields(organization):
        label = _("only for subscribers with: %(field)s") % {"field": view.label or view.tag}
        entries.append(_entry("condition", f"{{% if {view.tag} %}}…{{% endif %}}", "", label))
    known = condition_values.names(condition_values.known_tags(organization))
    names = sorted(name for name in known if name.startswith(GROUPS))
    for name in names[:MOST_GROUPS]:
        label = _("only for some groups in: %(category)s") % {"category": name.removeprefix(GROUPS)}
        written = f"*|{name}:…|*…*|END:INTERESTED|*"
        entries.append(_entry("condition", written, written, label))
    return entries


def _entry(group: str, tag: str, mailchimp: str, label: str, default: str = "") -> dict[str, str]:
    return {"group": group, "tag": tag, "mailchimp": mailchimp, "label": label, "default": default}
