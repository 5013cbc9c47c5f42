"""What an organization tells its checks: words that are right, and hosts that its readers cannot reach."""

import re
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import Struct

from samizdat.accounts.models import Organization, Person
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import CheckRules
from samizdat.core.content.checks.links import BLOCKED, clean_hosts
from samizdat.events.actions import record
from samizdat.vault import keyring

MOST_WORDS, MOST_HOSTS = 5_000, 2_000


class OrganizationCheckRules(Struct, frozen=True):
    """words: in small letters. hosts: the organization's own list, None while it has none and ours counts."""

    words: frozenset[str] = frozenset()
    hosts: tuple[str, ...] | None = None

    def blocked(self, hostile_state: str) -> frozenset[str]:
        """Hosts that do not open for readers: of the own list, else of the state that the organization fears."""
        return frozenset(self.hosts if self.hosts is not None else BLOCKED.get(hostile_state, ()))


def rules_of(organization: Organization) -> OrganizationCheckRules:
    row = CheckRules.objects.filter(pk=organization.pk).first()
    blob = row.sealed if row else b""
    return keyring.keys(organization).open_json(blob, "writingrules", "sealed", organization.pk, OrganizationCheckRules)


def learn(
    organization: Organization, words: Iterable[str], *, by: Person | None, now: datetime
) -> OrganizationCheckRules:
    """Adds words that no dictionary has and that are right here."""
    with transaction.atomic():
        # Two may learn at once; the organization's row is the lock, since the rules may have none yet.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        known = rules_of(organization)
        return save(organization, known.words | {word.strip() for word in words}, known.hosts, by=by, now=now)


def save(
    organization: Organization,
    words: Iterable[str],
    hosts: Iterable[str] | str | None,
    *,
    by: Person | None,
    now: datetime,
) -> OrganizationCheckRules:
    """Stores both lists. hosts: a pasted text or hosts; None: ours counts again. Errors: CampaignError."""
    kept_words = sorted({word.strip().casefold() for word in words if word.strip()})
    for word in kept_words:
        if len(word) > 60 or re.search(r"[\s\x00-\x1f]", word):
            raise CampaignError(_("“%(word)s” isn’t a single word. Enter one word per line.") % {"word": word[:60]})
    kept_hosts = None if hosts is None else _hosts(hosts)
    if len(kept_words) > MOST_WORDS or len(kept_hosts or ()) > MOST_HOSTS:
        raise CampaignError(_("That’s more than 5,000 words or 2,000 sites. Remove some."))
    rules = OrganizationCheckRules(frozenset(kept_words), None if kept_hosts is None else tuple(kept_hosts))
    sealed = keyring.keys(organization).seal_json(rules, "writingrules", "sealed", organization.pk)
    with transaction.atomic():
        CheckRules.objects.update_or_create(pk=organization.pk, defaults={"sealed": sealed})
        record("check_rules.changed", organization, now=now, by=by, detail={"words": len(kept_words)})
    return rules


def _hosts(hosts: Iterable[str] | str) -> list[str]:
    good, bad = clean_hosts(hosts if isinstance(hosts, str) else "\n".join(hosts))
    if bad:
        raise CampaignError(
            _("“%(host)s” isn’t a site address. Enter sites like example.org, one per line.") % {"host": bad[0]}
        )
    return good
