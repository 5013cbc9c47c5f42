"""What readers agree to, word for word, kept in versions: an agreement can be shown with the words it was given to."""

from datetime import UTC, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.audience.consent_texts import ConsentTextView, wordings
from samizdat.audience.errors import FormRefused
from samizdat.audience.limits import WORDINGS
from samizdat.audience.models import ConsentText, List
from samizdat.core import consent
from samizdat.events.actions import record
from samizdat.vault import keyring


def put_wording(
    list: List, text: str, *, language: str, now: datetime, purpose: str = "newsletter", by: Person | None = None
) -> ConsentTextView:
    """The words that readers of this list agree to from now on. The newest version said again makes no other.
    Errors: FormRefused."""
    code, text = consent.PURPOSES.index(purpose), text.strip()
    with transaction.atomic():
        # Two people who save at once wait for each other here.
        List.objects.select_for_update(no_key=True).get(id=list.id)
        versions = [wording for wording in wordings(list, purpose) if wording.language == language]
        if versions and versions[-1].text == text:
            return versions[-1]
        if ConsentText.objects.filter(organization=list.organization_id).count() >= WORDINGS:
            text = _("An organization can keep at most %(n)s versions of consent texts. Use one of the earlier texts.")
            raise FormRefused(text % {"n": f"{WORDINGS:,}"})
        row = ConsentText.objects.create(
            organization_id=list.organization_id,
            list=list,
            purpose=code,
            language=language[:8],
            version=versions[-1].version + 1 if versions else 1,
            text_sealed=b"",
            since=now.astimezone(UTC).date(),
        )
        row.text_sealed = keyring.keys(list.organization).seal(text.encode(), "wording", "text", row.pk)
        row.save(update_fields=["text_sealed"])
        detail = {"purpose": purpose, "language": row.language, "version": row.version}
        record("list.consent_text_changed", list.organization, about=list.id, by=by, now=now, detail=detail)
    return ConsentTextView(purpose, row.language, row.version, text, row.since)
