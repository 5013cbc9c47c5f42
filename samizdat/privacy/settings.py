"""What the house really does with readers' data, read from its settings: what the papers are drafted from."""

from dataclasses import dataclass, field

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience import sql as audience_sql
from samizdat.audience.actions import wordings
from samizdat.audience.actions.fundraising_consent import words_for
from samizdat.audience.models import List
from samizdat.core.mail.return_address import without_token
from samizdat.delivery import queries as delivery
from samizdat.privacy.models import Retention


@dataclass(frozen=True, slots=True)
class ListFacts:
    """One list: what readers agree to, how many are on it, how long things are kept. None: no rule."""

    name: str
    wording: str
    appeals: str  # The words that ask for a yes to appeals for money; "" where nobody is asked.
    agreed: bool  # Whether anybody has said such a yes.
    form: bool
    subscribed: int
    known: int  # In all statuses.
    left_days: int | None = None
    delivery_months: int | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A way out that letters may take: who carries it sees addresses and letters."""

    name: str
    scheme: str
    host: str


@dataclass(frozen=True, slots=True)
class PrivacyFacts:
    organization: str
    address: str
    public_url: str
    return_address: str
    unsubscribe_mailbox: str
    language: str
    lists: list[ListFacts] = field(default_factory=list)
    fields: list[tuple[str, str]] = field(default_factory=list)  # (tag, label)
    routes: list[RouteFacts] = field(default_factory=list)


def facts_of(organization: Organization) -> PrivacyFacts:
    rules = {row.list_id: row for row in Retention.objects.filter(list__organization=organization)}
    agreed = {*audience_sql.lists_asking(organization.id)}
    rows = {row.id: row for row in List.objects.select_related("organization").filter(organization=organization)}
    kept = leading(organization)
    return PrivacyFacts(
        organization=kept.name,
        address=kept.postal_address,
        public_url=kept.public_url,
        return_address=without_token(kept.return_address),
        unsubscribe_mailbox=kept.unsubscribe_mailbox,
        language=kept.language,
        lists=[
            ListFacts(
                name=view.name,
                wording=_wording(rows[view.id]),
                appeals=words_for(rows[view.id]),
                agreed=view.id in agreed,
                form=bool(view.form_slug),
                subscribed=view.totals["subscribed"],
                known=view.total,
                left_days=rules[view.id].left_days if view.id in rules else None,
                delivery_months=rules[view.id].delivery_months if view.id in rules else None,
                number=view.id,
            )
            for view in audience.lists(organization, archived=True)
        ],
        fields=[(field_view.tag, field_view.label) for field_view in audience.fields(organization)],
        routes=[RouteFacts(row.name, row.scheme, row.host) for row in delivery.routes(organization)],
    )


def _wording(list_: List) -> str:
    """What readers of a list agree to: the words of its own form, else the newest that a form with it asks, in the
    organization's language where there are such."""
    own = audience.details_of(list_).purpose
    kept = wordings(list_, "newsletter")
    spoken = [wording for wording in kept if wording.language == leading(list_.organization).language]
    newest = max(spoken or kept, key=lambda wording: (wording.since, wording.version), default=None)
    return own or (newest.text if newest else "")
