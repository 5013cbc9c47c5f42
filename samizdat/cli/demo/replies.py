"""What subscribers wrote back to the last campaign, taken in and read as mail is that a server hands over."""

import base64
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import TYPE_CHECKING, NamedTuple

from samizdat.accounts.models import Organization
from samizdat.audience.models import Subscriber, row_id
from samizdat.audience.queries import values_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.core.crypto import tokens
from samizdat.core.mail.ledger import State
from samizdat.delivery.models import Delivery
from samizdat.incoming import intake, processing
from samizdat.vault import keyring

if TYPE_CHECKING:
    from samizdat.campaigns.models import Campaign

DOMAIN = "northern-lantern.example"
# The smallest picture there is.
_PIXEL = base64.b64decode("R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")


class WrittenReply(NamedTuple):
    """`language`: of who writes it. `hours`: before now. `is_automatic`: a program answers for them."""

    language: str
    hours: int
    text: str
    subject: str = ""
    file: str = ""
    is_automatic: bool = False


REPLIES = (
    WrittenReply("en", 92, "May we reprint this in our parish paper? We would name you, of course."),
    WrittenReply("ru", 70, "Спасибо за письмо. Мой отец помнит этот маяк, он хотел бы рассказать. Куда вам позвонить?"),
    WrittenReply("ru", 51, "Отпишите меня, пожалуйста."),
    WrittenReply(
        "en",
        48,
        "I'm at the harbor school without email until Monday. For anything urgent, ask the office.",
        "Out of office",
        is_automatic=True,
    ),
    WrittenReply("en", 26, "Please stop sending me this, I have asked twice already.", "stop"),
    WrittenReply(
        "en",
        3,
        "Dear all,\n\nhow can I get the drying boxes to you? We have forty in the school, and nobody needs them before "
        "March. I can drive as far as the bridge.",
        file="boxes.gif",
    ),
)
STRANGER = WrittenReply("", 8, "Could you tell me how to get your emails? A friend showed me one.", "Your emails")


def come_in(organization: Organization, sent: "Campaign", now: datetime) -> None:
    """sent: the campaign that they answer."""
    writers = {language: _writers(sent, language) for language in ("en", "ru")}
    for reply in sorted((*REPLIES, STRANGER), key=lambda reply: -reply.hours):
        at = now - timedelta(hours=reply.hours)
        writer = writers[reply.language].pop() if reply.language and writers[reply.language] else None
        intake.take(organization, _mail(organization, sent, reply, writer), (), at.date())
        processing.process(organization, at)


def _writers(sent: "Campaign", language: str) -> list[Subscriber]:
    rows = Delivery.objects.filter(edition=sent.edition.pk, state=State.ACCEPTED).order_by("number")
    ids = [row_id(sent.organization_id, number) for number in rows.values_list("number", flat=True)[:400]]
    people = Subscriber.objects.select_related("organization").filter(pk__in=ids, language=language)
    return [*people.order_by("pk")[:4]]


def _mail(organization: Organization, sent: "Campaign", reply: WrittenReply, writer: Subscriber | None) -> bytes:
    mail = EmailMessage()
    subject = draft_of(sent).subject
    mail["Subject"] = reply.subject or f"Re: {subject}"
    mail["To"] = draft_of(sent).from_email
    quoted = ""
    if writer is None:
        mail["From"] = "Milda <milda@stranger.example>"
    else:
        values, key = values_of(writer), keyring.keys(organization).link
        assert key is not None
        mail["From"] = f"{values.get('FNAME', '')} <{values['EMAIL']}>"
        token = tokens.make(key, "message-id", sent.edition.pk, writer.number)
        mail["In-Reply-To"] = f"<{token}@{DOMAIN}>"
        quoted = f"\n\nOn 26 Nov, {draft_of(sent).from_name} wrote:\n> {subject}\n> Hello,\n"
    if reply.is_automatic:
        mail["Auto-Submitted"] = "auto-replied"
    mail.set_content(reply.text + quoted)
    if reply.file:
        mail.add_attachment(_PIXEL, maintype="image", subtype="gif", filename=reply.file)
    return mail.as_bytes()
