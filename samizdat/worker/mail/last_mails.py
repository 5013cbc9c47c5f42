"""Mails to all admins that are made while the keys of their organization are there, and sent when they are gone."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from samizdat.accounts import memberships, sealed_people
from samizdat.accounts.models import Organization, Person
from samizdat.core.mail.outcome import Accepted
from samizdat.delivery import service_senders
from samizdat.worker.mail.service_mail import ReadyMail, leads_out, ready
from samizdat.worker.schedule import admin_alerts

type Words = Callable[[Organization, Person], tuple[str, str]]

# Admins who are mailed at once, and the seconds for it: then this process ends, since it may have the keys.
MOST_MAILS, MAILING = 20, 4.0


def ready_for_admins(organization: Organization, words: Words, now: datetime) -> list[tuple[Person, ReadyMail]]:
    """words: subject and text for each."""
    sender = service_senders.own_sender(organization)
    if sender is None:
        return []
    local, states = not leads_out(organization), admin_alerts.STATES
    members = memberships.valid(organization=organization, role="admin", person__is_active=True)
    mails = []
    for person in [member.person for member in members][:MOST_MAILS]:
        subject, text = words(organization, person)
        to = sealed_people.email_of(person)
        mails.append((person, ready(organization, sender, to, subject, text, now, states, local)))
    return mails


def carry(mails: Sequence[tuple[Person, ReadyMail]]) -> list[Person]:
    """All at once; whose server took theirs in time."""
    return asyncio.run(_carry(mails))


async def _carry(mails: Sequence[tuple[Person, ReadyMail]]) -> list[Person]:
    tasks = {asyncio.create_task(mail.carry()): person for person, mail in mails}
    done, late = await asyncio.wait(tasks, timeout=MAILING) if tasks else (set(), set())
    for task in late:
        task.cancel()
    return [tasks[task] for task in done if not task.exception() and isinstance(task.result(), Accepted)]
