"""What is found about requests to providers that closed an account: deadlines that come near, or have passed."""

from collections.abc import Iterator
from datetime import date

from django.utils.translation import gettext_lazy as _

from samizdat.accounts.models import Organization
from samizdat.health.findings import Finding
from samizdat.privacy.rescue_cases import open_requests

# Days before a deadline, from which on it's shown.
SOON = 7


def of_organization(organization: Organization, today: date) -> Iterator[Finding]:
    """Red once a deadline has passed: admins are mailed that, as of anything red."""
    for request in open_requests(organization, today):
        values = {
            "case": request.case.pk,
            "day": request.deadline.at.isoformat(),
            "command": f"samizdat rescue case show {request.case.pk}",
        }
        if request.days < 0 and request.sent.kind != "complaint":
            sentence = _(
                "Case %(case)s: a request should have been answered by %(day)s. Record the answer, or send the "
                "complaint to the authority: %(command)s"
            )
            yield Finding("rescue.overdue", "red", organization.name, sentence, values)
        elif request.days < 0:
            sentence = _(
                "Case %(case)s: the authority should have said by %(day)s how the complaint is going. Ask it, or "
                "record its answer: %(command)s"
            )
            yield Finding("rescue.authority-silent", "amber", organization.name, sentence, values)
        elif request.days <= SOON:
            sentence = _("Case %(case)s: the deadline of a request ends on %(day)s. See: %(command)s")
            yield Finding("rescue.deadline-near", "amber", organization.name, sentence, values)
