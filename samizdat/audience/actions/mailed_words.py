"""Words that mails to strangers say: names of lists and forms, and what stands beside the box for appeals.

Anybody can type any address into a sign-up form, and a mail that asks for a confirmation goes there: one stolen session
would have its own words mailed to whom it likes. So where a second person is asked for, words that are new wait for
another admin, or for a day (accounts/pending_changes.py); until then such a mail says the organization's name. The
words that may be said are sealed with the list's and the form's settings.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience.consent_texts import wordings
from samizdat.audience.list_details import list_name, open_details
from samizdat.audience.models import List
from samizdat.core.consent import APPEALS
from samizdat.vault import keyring

CHANGE = "mailed_words"
# Kept of one list or form.
MOST = 20


def sayable(
    organization: Organization,
    about: int,
    texts: Collection[str],
    agreed: Collection[str],
    *,
    now: datetime,
    by: Person | None,
) -> tuple[str, ...]:
    """What may be said from now on: what could be until now (agreed), so that a name can be as it was before, and of
    these words those that need not wait."""
    wanted = [text.strip() for text in texts if text.strip()]
    waits = leading(organization).requires_approval and pending_changes.held(organization, by)
    fresh = [text for text in wanted if waits and text not in agreed]
    for row in pending_changes.waiting(organization).filter(kind=CHANGE, about=about):
        if pending_changes.details_of(row, list[str]) != fresh:
            pending_changes.stop_about(organization, CHANGE, about, now=now, by=by)
            break
    if fresh:
        pending_changes.ask(organization, CHANGE, fresh, about=about, now=now, by=by)
    return tuple(dict.fromkeys((*agreed, *(text for text in wanted if text not in fresh))))[-MOST:]


def is_said(organization: Organization, text: str, agreed: Collection[str]) -> bool:
    return text.strip() in agreed or not leading(organization).requires_approval


def appeals_said(lists: Iterable[List], words: str, agreed: Collection[str]) -> str:
    """What stands beside the box for appeals of a list or form: these words, or, while they wait, those before
    them; "" for none. Readers agree to what they see, so page, mail and record say the same."""
    lists = [*lists]
    if not words.strip() or not lists or is_said(lists[0].organization, words, agreed):
        return words
    before = [old for list_ in lists for old in wordings(list_, APPEALS) if old.text in agreed]
    return max(before, key=lambda old: (old.since, old.version)).text if before else ""


def name_said(list: List) -> str:
    """As a mail may say it; "" where nobody has agreed to it yet."""
    keys = keyring.keys(list.organization)
    name = list_name(keys, list)
    return name if is_said(list.organization, name, open_details(keys, list).agreed) else ""
