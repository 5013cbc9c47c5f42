"""What providers tell by webhook: whether they wrote it, what it says, and what must never follow from it."""

import hmac
import importlib
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samizdat import plugins
from samizdat.core.bounce.reasons import BY_NAME
from samizdat.transports.sns import SnsWebhook
from samizdat.transports.webhooks import (
    LONGEST,
    MOST_EVENTS,
    SENTENCES,
    SKIPPED,
    EventWord,
    WebhookEvent,
    WebhookRefused,
    WebhookRequest,
    WebhookSecret,
)
from tests.transports.webhook_requests import (
    FOLDER,
    FORM,
    JSON,
    LOGIN,
    NOW,
    TOPIC,
    Delivery,
    by_login,
    by_sns,
    cases,
    certificate,
    delivery,
    document,
    hook,
    rsa_signature,
)

NAMES = sorted(plugins.webhooks())
# Cases exist of all but Scaleway, which django-anymail reads no webhooks of.
CASES = [pytest.param(name, case, id=f"{name}-{case['test']}") for name in NAMES for case in cases(name)]
ENGAGEMENT = ("opened", "clicked")
# What anymail reads and we skip on purpose: the reader's program, and what they clicked.
SKIPPED_FIELDS = {"user_agent", "click_url"}
# The provider's word for something that isn't skipped.
DELIVERED = {
    "amazon_ses": "Delivery",
    "brevo": "delivered",
    "mailersend": "activity.delivered",
    "mailgun": "delivered",
    "mailjet": "sent",
    "mailtrap": "delivery",
    "mandrill": "delivered",
    "postmark": "Delivery",
    "resend": "email.delivered",
    "sparkpost": "delivery",
    "unisender_go": "delivered",
}
OPENS = {
    "Open", "Click", "open", "click", "opened", "clicked", "proxy_open", "amp_click", "activity.clicked",
    "email.opened",
}  # fmt: skip


def read(name: str, document: Any) -> tuple[WebhookEvent, ...]:
    return hook(name).events(delivery(name, document).request)


def as_anymail_has_it(event: WebhookEvent) -> dict[str, Any]:
    return {
        "event_type": event.action,
        "reject_reason": event.cause,
        "recipient": event.recipient,
        "message_id": event.message_id,
        "event_id": event.event_id,
        "timestamp": event.moment,
        "mta_response": event.response,
        "description": event.description,
        "tags": list(event.tags),
        "metadata": dict(event.metadata),
    }


def in_our_types(expected: dict[str, Any]) -> dict[str, Any]:
    """Numbers of messages are text here, and moments are moments."""
    kept = {name: value for name, value in expected.items() if name not in SKIPPED_FIELDS}
    if "message_id" in kept:
        kept["message_id"] = str(kept["message_id"])
    if "timestamp" in kept:
        kept["timestamp"] = datetime.fromisoformat(kept["timestamp"])
    return kept


def relabelled(value: Any, word: str) -> Any:
    """With another word where a reader opened or clicked."""
    if isinstance(value, dict):
        return {key: relabelled(held, word) for key, held in value.items()}
    if isinstance(value, list):
        return [relabelled(held, word) for held in value]
    return word if isinstance(value, str) and value in OPENS else value


# -- what they say -----------------------------------------------------------------------------------------------------


def test_all_cases_are_here() -> None:
    assert len(CASES) == 66


@pytest.mark.parametrize(("name", "case"), CASES)
def test_an_event_says_what_django_anymail_reads_in_it(name: str, case: dict[str, Any]) -> None:
    expected = [in_our_types(event) for event in case["expected"]]
    written = document(name, case["payload"])
    # One case of Mailgun gives no word for what happened beside its tags.
    engaged = bool(OPENS & set(_texts(written))) if name != "amazon_ses" else expected[0]["event_type"] in ENGAGEMENT
    if engaged:
        assert read(name, written) == ()
        written = document(name, relabelled(case["payload"], DELIVERED[name]))
        expected = [{key: value for key, value in event.items() if key != "event_type"} for event in expected]
    events = [as_anymail_has_it(event) for event in read(name, written)]
    assert [{key: got[key] for key in want} for got, want in zip(events, expected, strict=True)] == expected


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [text for held in (value.values() if isinstance(value, dict) else value) for text in _texts(held)]
    return [value] if isinstance(value, str) else []


def test_a_bounce_by_mail_of_sisimai_is_one_by_webhook_too() -> None:
    """Deliveries without an envelope around them."""
    hard, complaint, arrived = (read_raw(f"json-amazonses-{number}.json") for number in ("01", "03", "05"))
    assert [(event.report.kind, event.report.reason) for event in (hard, complaint, arrived)] == [
        ("hard", "user_unknown"),
        ("complaint", "abuse"),
        ("none", "delivered"),
    ]
    assert hard.recipient == "bounce@simulator.amazonses.com"
    assert arrived.response == "250 2.6.0 Message received"


def read_raw(file: str) -> WebhookEvent:
    [event] = hook("amazon_ses").events(WebhookRequest((FOLDER / "sisimai" / file).read_bytes()))
    return event


# -- what it means -----------------------------------------------------------------------------------------------------

UNKNOWN_USER = "550 5.1.1 <boris@reader.example>... User unknown"
UNAUTHENTICATED = "550-5.7.26 This mail is unauthenticated, which poses a security risk"


def ses_bounce(kind: str, subtype: str, code: str = "") -> dict[str, Any]:
    recipient = {"emailAddress": "boris@reader.example"} | ({"diagnosticCode": code} if code else {})
    bounce = {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [recipient]}
    return {"notificationType": "Bounce", "bounce": bounce, "mail": {"messageId": "1", "destination": []}}


def mailgun(**data: Any) -> dict[str, Any]:
    return {"event-data": {"recipient": "boris@reader.example", **data}}


def sparkpost(**data: Any) -> list[Any]:
    return [{"msys": {"message_event": {"rcpt_to": "boris@reader.example", **data}}}]


def unisender(status: str, delivery: str, response: str = "") -> dict[str, Any]:
    info = {"delivery_status": delivery, "destination_response": response}
    data = {"email": "boris@reader.example", "status": status, "delivery_info": info}
    event = {"event_name": "transactional_email_status", "event_data": data}
    return {"auth": "", "events_by_user": [{"user_id": 1, "events": [event]}]}


def of_boris(**data: Any) -> dict[str, Any]:
    return {"email": "boris@reader.example", "Email": "boris@reader.example", **data}


def mandrill(event: str, **message: Any) -> list[Any]:
    return [{"event": event, "msg": {"email": "boris@reader.example", **message}}]


def mailersend(kind: str, **morph: str) -> dict[str, Any]:
    email = {"recipient": {"email": "boris@reader.example"}}
    return {"type": f"activity.{kind}", "data": {"id": "1", "email": email, "morph": morph or None}}


def mailersend_2(kind: str, meta: Any) -> dict[str, Any]:
    """Webhooks 2.0: flat, and without details an empty list."""
    data = {"id": "1", "type": kind, "email": "boris@reader.example", "message_id": "2", "meta": meta}
    return {"type": f"activity.{kind}", "created_at": "2026-11-25T21:23:54.000000Z", "data": data}


def mailersend_flat(kind: str, **meta: str) -> dict[str, Any]:
    """As its newest deliveries are: the address is called recipient."""
    data = {"id": "1", "message_id": "2", "recipient": "boris@reader.example", "tags": ["north"], "meta": meta}
    return {"type": f"activity.{kind}", "created_at": "2026-11-25T21:23:54.000000Z", "data": data}


def resend(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": f"email.{kind}", "data": {"to": ["boris@reader.example"], **data}}


def postal(event: str, output: str = "", details: str = "") -> dict[str, Any]:
    payload = {"message": {"id": 1, "to": "boris@reader.example"}, "output": output, "details": details}
    return {"event": event, "uuid": "1", "timestamp": 1796126400.1, "payload": payload}


def scaleway(kind: str, code: int = 0, words: str = "") -> dict[str, Any]:
    response = {"email_response_code": code, "email_response_message": words}
    return {"id": "1", "type": kind, "email_to": "boris@reader.example", **response}


HARD, SOFT = ("hard", "user_unknown", "recipient"), ("soft", "mailbox_full", "recipient")
KEPT_BACK = ("soft", "filtered", "recipient")
COMPLAINT, LEFT = ("complaint", "abuse", "recipient"), ("unsubscribe", "opt_out", "recipient")
MEANINGS: list[tuple[str, Any, tuple[str, str, str | None]]] = [
    ("amazon_ses", ses_bounce("Permanent", "General", f"smtp; {UNKNOWN_USER}"), HARD),
    ("amazon_ses", ses_bounce("Permanent", "NoEmail"), HARD),
    ("amazon_ses", ses_bounce("Permanent", "General"), ("hard", "undefined", "recipient")),
    ("amazon_ses", ses_bounce("Permanent", "General", f"smtp; {UNAUTHENTICATED}"), ("soft", "authentication", "route")),
    (
        "amazon_ses",
        ses_bounce("Permanent", "OnAccountSuppressionList", "smtp; 550 5.1.1 is an invalid address"),
        KEPT_BACK,
    ),
    ("amazon_ses", ses_bounce("Transient", "MailboxFull"), SOFT),
    ("amazon_ses", ses_bounce("Transient", "General", f"smtp; {UNKNOWN_USER}"), ("soft", "user_unknown", "recipient")),
    ("mailgun", mailgun(event="failed", severity="permanent", reason="suppress-bounce"), KEPT_BACK),
    ("mailgun", mailgun(event="failed", severity="permanent", reason="suppress-complaint"), COMPLAINT),
    ("mailgun", mailgun(event="failed", severity="permanent", reason="suppress-unsubscribe"), LEFT),
    (
        "mailgun",
        mailgun(event="failed", severity="permanent", **{"delivery-status": {"code": 550, "message": UNKNOWN_USER}}),
        HARD,
    ),
    ("mailgun", mailgun(event="failed", severity="temporary", reason="generic"), ("soft", "delayed", "recipient")),
    (
        "mailgun",
        mailgun(event="rejected", reject={"reason": "Sandbox subdomains are for tests"}),
        ("soft", "undefined", "route"),
    ),
    ("postmark", of_boris(RecordType="Bounce", Type="HardBounce", Details=f"smtp;{UNKNOWN_USER}"), HARD),
    ("postmark", of_boris(RecordType="Bounce", Type="DMARCPolicy"), ("soft", "authentication", "route")),
    ("postmark", of_boris(RecordType="Bounce", Type="BadEmailAddress"), HARD),
    ("postmark", of_boris(RecordType="Bounce", Type="AutoResponder"), ("auto-reply", "away", "recipient")),
    ("postmark", of_boris(RecordType="SpamComplaint", Type="SpamComplaint"), COMPLAINT),
    ("postmark", of_boris(RecordType="Delivery"), ("none", "delivered", None)),
    ("sendgrid", [of_boris(event="bounce", type="bounce", reason=UNKNOWN_USER)], HARD),
    (
        "sendgrid",
        [of_boris(event="bounce", type="bounce", reason="550 #A7", bounce_classification="Reputation")],
        ("soft", "blocked", "route"),
    ),
    ("sendgrid", [of_boris(event="bounce", type="bounce", bounce_classification="Invalid Address")], HARD),
    (
        "sendgrid",
        [of_boris(event="bounce", type="blocked", reason=UNAUTHENTICATED)],
        ("soft", "authentication", "route"),
    ),
    ("sendgrid", [of_boris(event="dropped", reason="Spam Reporting Address")], COMPLAINT),
    ("sendgrid", [of_boris(event="dropped", reason="Unsubscribed Address")], LEFT),
    ("sendgrid", [of_boris(event="dropped", reason="Bounced Address")], KEPT_BACK),
    (
        "sendgrid",
        [of_boris(event="dropped", reason="Recipient List over Package Quota")],
        ("soft", "undefined", "route"),
    ),
    ("brevo", of_boris(event="hard_bounce", reason=f"RecipientError: {UNKNOWN_USER}"), HARD),
    ("brevo", of_boris(event="blocked", reason="blocked : due to blacklist user"), KEPT_BACK),
    ("mailjet", [of_boris(event="bounce", hard_bounce=True, error="user unknown")], HARD),
    ("mailjet", [of_boris(event="bounce", hard_bounce=False, error="quota exceeded")], SOFT),
    ("mailjet", [of_boris(event="bounce", hard_bounce=True, error="sender blocked")], ("soft", "blocked", "route")),
    ("mailjet", [of_boris(event="blocked", error="spam reporter")], COMPLAINT),
    ("sparkpost", sparkpost(type="bounce", bounce_class="10", error_code="550"), HARD),
    ("sparkpost", sparkpost(type="bounce", bounce_class="50"), ("soft", "blocked", "route")),
    ("sparkpost", sparkpost(type="bounce", bounce_class="90"), LEFT),
    ("sparkpost", sparkpost(type="policy_rejection", bounce_class="25"), KEPT_BACK),
    ("mandrill", mandrill("hard_bounce", bounce_description="bad_mailbox"), HARD),
    ("mandrill", mandrill("hard_bounce", bounce_description="ip_block"), ("soft", "blocked", "route")),
    ("mandrill", mandrill("reject", reject={"reason": "spam"}), COMPLAINT),
    ("mandrill", mandrill("reject", reject={"reason": "unsigned"}), ("soft", "undefined", "route")),
    ("resend", resend("bounced", bounce={"type": "Permanent", "subType": "NoEmail", "message": "reputation"}), HARD),
    ("resend", resend("bounced", bounce={"type": "Transient", "subType": "MailboxFull"}), SOFT),
    ("resend", resend("failed", failed={"reason": "reached_daily_quota"}), ("soft", "undefined", "route")),
    ("mailersend", mailersend("hard_bounced", object="recipient_bounce", reason=UNKNOWN_USER), HARD),
    ("mailersend", mailersend("spam_complaint"), COMPLAINT),
    ("mailersend", mailersend_2("hard_bounced", {"reason": UNKNOWN_USER}), HARD),
    ("mailersend", mailersend_2("spam_complaint", []), COMPLAINT),
    ("mailersend", mailersend_flat("hard_bounced", bounce_reason=UNKNOWN_USER, bounce_code="550"), HARD),
    ("mailersend", mailersend_flat("soft_bounced", bounce_reason="mailbox is full", bounce_code="552"), SOFT),
    ("mailersend", mailersend_flat("spam_complaint"), COMPLAINT),
    ("mailtrap", {"events": [of_boris(event="bounce", response=UNKNOWN_USER)]}, HARD),
    (
        "mailtrap",
        {"events": [of_boris(event="bounce", response="[A7]", response_code=555, bounce_category="spam")]},
        ("soft", "spam", "message"),
    ),
    ("mailtrap", {"events": [of_boris(event="suspension")]}, ("soft", "delayed", "recipient")),
    ("postal", postal("MessageDeliveryFailed", UNKNOWN_USER), HARD),
    ("postal", postal("MessageDeliveryFailed", "", "554 blocked using zen.spamhaus.org"), ("soft", "blocked", "route")),
    ("postal", postal("MessageSent", "250 OK"), ("none", "delivered", None)),
    ("scaleway", scaleway("email_mailbox_not_found"), HARD),
    ("scaleway", scaleway("email_dropped", 550, UNAUTHENTICATED), ("soft", "authentication", "route")),
    ("scaleway", scaleway("email_blocklisted"), KEPT_BACK),
    ("scaleway", scaleway("email_spam"), ("soft", "spam", "message")),
    ("scaleway", scaleway("email_deferred", 450, "4.2.0 greylisted"), ("soft", "delayed", "recipient")),
    ("unisender_go", unisender("hard_bounced", "err_user_unknown"), HARD),
    ("unisender_go", unisender("soft_bounced", "err_mailbox_full"), SOFT),
    ("unisender_go", unisender("soft_bounced", "err_will_retry"), ("soft", "delayed", "recipient")),
    ("unisender_go", unisender("hard_bounced", "err_blacklisted"), ("soft", "blocked", "route")),
    ("unisender_go", unisender("hard_bounced", "err_unsubscribed"), LEFT),
    ("unisender_go", unisender("spam", ""), COMPLAINT),
]


@pytest.mark.parametrize(("name", "document", "meaning"), MEANINGS)
def test_what_follows_is_what_would_follow_from_a_bounce_by_mail(
    name: str, document: Any, meaning: tuple[str, str, str | None]
) -> None:
    [event] = read(name, document)
    assert event.recipient == event.report.recipient == "boris@reader.example"
    assert (event.report.kind, event.report.reason, event.report.fault) == meaning


@pytest.mark.parametrize("name", NAMES)
def test_every_reason_of_a_dialect_is_one_of_bounces(name: str) -> None:
    tables = [held for held in vars(_module(name)).values() if isinstance(held, dict)]
    words = [word for table in tables for word in table.values() if isinstance(word, EventWord)]
    assert {word.reason for word in words if word.reason} <= BY_NAME.keys()
    explained = [row[1] for table in tables for row in table.values() if type(row) is tuple and len(row) == 3]
    assert {reason for reason in explained if reason} <= BY_NAME.keys()


def test_mailersend_may_try_the_address_before_it_shows_the_secret() -> None:
    """By a secret that everybody knows, so nothing counts by it."""
    mailersend = hook("mailersend")
    for kind, is_trial in (("webhook.test", True), ("activity.hard_bounced", False)):
        body = json.dumps({"type": kind, "message": "", "data": {"email": "boris@reader.example"}}).encode()
        signature = hmac.new(b"test_Am3L1GuOIc4blLUuHqAPxxwkZaJyEk8G", body, "sha256").hexdigest()
        request = WebhookRequest(body, {"signature": signature})
        assert mailersend.is_trial(request) == is_trial
        with pytest.raises(WebhookRefused, match="secret"):
            mailersend.verify(request, WebhookSecret("ours"), NOW)


def test_a_reader_who_calls_it_no_spam_does_not_complain() -> None:
    complaint = {"complainedRecipients": [{"emailAddress": "ada@reader.example"}], "complaintFeedbackType": "not-spam"}
    [event] = read("amazon_ses", {"notificationType": "Complaint", "complaint": complaint})
    assert event.report.kind == "none"


def test_a_letter_to_two_readers_is_two_events() -> None:
    [ada, boris] = read("resend", resend("bounced", to=["Ada <ada@reader.example>", "boris@reader.example"]))
    assert (ada.recipient, boris.recipient) == ("ada@reader.example", "boris@reader.example")
    assert ada.key != boris.key


# -- what is nobody's business -----------------------------------------------------------------------------------------


def test_no_open_click_address_or_program_of_a_reader_is_kept() -> None:
    read_all = [
        event for name in NAMES for case in cases(name) for event in read(name, document(name, case["payload"]))
    ]
    assert len(read_all) > 40
    assert not re.search(
        r"Mozilla|Gecko|(?<!\d)\d{1,3}(\.\d{1,3}){3}(?!\d)|https?://|Serbia|open|click", repr(read_all)
    )


@pytest.mark.parametrize("name", NAMES)
def test_opens_and_clicks_are_skipped_whatever_they_are_called(name: str) -> None:
    for word in ("machine_open", "email.link_clicked", "MessageRead", *_skipped(name)):
        for case in cases(name) or [{"payload": {"raw_event": scaleway("email_queued")}}]:
            for changed in _with_word(document(name, case["payload"]), name, word):
                assert hook(name).events(delivery(name, changed).request) == ()


def _module(name: str) -> Any:
    return importlib.import_module(type(hook(name)).__module__)


def _skipped(name: str) -> list[str]:
    return [word for word, meaning in _module(name).WORDS.items() if meaning is SKIPPED]


def _with_word(written: Any, name: str, word: str) -> list[Any]:
    if name == "amazon_ses":
        return [written | {"Message": json.dumps({"eventType": word, "mail": {"destination": ["ada@reader.example"]}})}]
    if name == "unisender_go":
        return [unisender(word, "")]
    if name == "scaleway":
        return [scaleway(word)]
    if name == "sparkpost":
        return [sparkpost(type=word)]
    if name == "mailtrap":
        return [{"events": [of_boris(event=word)]}]
    if name == "postmark":
        return [of_boris(RecordType=word)]
    if name == "mailgun":
        return [mailgun(event=word), {"event": word, "recipient": "ada@reader.example"}]
    if name == "mandrill":
        return [mandrill(word)]
    if name in ("mailersend", "resend"):
        return [{"type": word, "data": {"to": ["ada@reader.example"]}}]
    return [of_boris(event=word)]


def test_what_a_client_adds_to_the_metadata_is_not_kept() -> None:
    private = {"ip": "192.0.2.7", "User-Agent": "Mozilla", "client_os": "Linux", "geo_city": "Riga", "issue": 7}
    [event] = read("mailgun", mailgun(event="delivered", **{"user-variables": private}))
    assert event.metadata == {"issue": 7}


# -- who wrote it ------------------------------------------------------------------------------------------------------

SAMPLES = {
    "amazon_ses": ses_bounce("Permanent", "NoEmail"),
    "brevo": of_boris(event="delivered"),
    "mailersend": mailersend("delivered"),
    "mailgun": mailgun(event="delivered"),
    "mailjet": [of_boris(event="sent")],
    "mailtrap": {"events": [of_boris(event="delivery")]},
    "mandrill": mandrill("delivered"),
    "postal": postal("MessageSent"),
    "postmark": of_boris(RecordType="Delivery"),
    "resend": resend("delivered"),
    "scaleway": scaleway("email_delivered"),
    "sendgrid": [of_boris(event="delivered")],
    "sparkpost": sparkpost(type="delivery"),
    "unisender_go": unisender("delivered", "ok_delivered"),
}
SIGNING = [name for name in NAMES if hook(name).signs]
# Where the signature covers a time.
DATED = ["amazon_ses", "mailgun", "resend", "scaleway", "sendgrid"]


def sample(name: str) -> Delivery:
    return delivery(name, SAMPLES[name])


def refused(sent: Delivery, after: timedelta = timedelta(0)) -> str:
    with pytest.raises(WebhookRefused) as caught:
        sent.verify(after)
    return caught.value.code


@pytest.mark.parametrize(("name", "case"), CASES)
def test_what_the_provider_signed_is_believed(name: str, case: dict[str, Any]) -> None:
    delivery(name, document(name, case["payload"])).verify()


@pytest.mark.parametrize("name", NAMES)
def test_each_provider_is_believed_and_a_stranger_is_not(name: str) -> None:
    sent = sample(name)
    sent.verify()
    headers = {"content-type": sent.request.headers["content-type"]}
    stranger = replace(
        sent.request, headers=headers, body=re.sub(rb"[0-9a-f]{32,}|(?<=Signature\": \")[^\"]+", b"", sent.request.body)
    )
    assert refused(replace(sent, request=stranger)) in ("no_signature", "wrong_signature")


@pytest.mark.parametrize("name", NAMES)
def test_without_a_secret_nobody_is_believed(name: str) -> None:
    assert refused(replace(sample(name), secret=WebhookSecret(" "))) == "no_secret"


@pytest.mark.parametrize("name", [name for name in SIGNING if name not in ("mailgun", "mandrill")])
def test_a_body_that_was_changed_is_refused(name: str) -> None:
    assert refused(sample(name).changed(b"boris@", b"clara@")) == "wrong_signature"


def test_mandrill_and_mailgun_sign_fields() -> None:
    assert refused(sample("mandrill").changed(b"boris", b"clara")) == "wrong_signature"
    # Mailgun signs no more than these: the body is as true as whoever holds a token that was used once.
    assert refused(sample("mailgun").changed(b"50a1f3", b"50a1f4")) == "wrong_signature"
    sent = sample("mandrill")
    assert refused(replace(sent, request=replace(sent.request, url="https://other.example/in"))) == "wrong_signature"


def test_a_token_of_mailgun_counts_once_since_other_events_fit_it() -> None:
    sent = sample("mailgun")
    forged = sent.changed(b"boris@", b"clara@")
    forged.verify()
    assert sent.hook.nonce(sent.request) == forged.hook.nonce(forged.request) == "50a1f3"
    old = delivery("mailgun", {"event": "delivered", "recipient": "boris@reader.example", "token": "60a1f3"})
    assert old.hook.nonce(old.request) == "60a1f3"
    assert [name for name in NAMES if hook(name).nonce(sample(name).request)] == ["mailgun"]


@pytest.mark.parametrize("old", [True, False])
def test_digits_of_mailguns_token_are_none_of_its_time(old: bool) -> None:
    """Both are signed as one text, so the time in milliseconds and the rest of the token would be signed alike."""
    document = (
        {"event": "delivered", "token": "123abc"} if old else {"event-data": {}, "signature": {"token": "123abc"}}
    )
    sent = delivery("mailgun", document)
    sent.verify()
    assert sent.hook.nonce(sent.request) == "123abc"
    shifted = sent.changed(b"1796126400", b"1796126400123").changed(b"123abc", b"abc")
    assert refused(shifted) == "no_signature"


def test_a_message_of_another_topic_holds_none_of_ours() -> None:
    """What the owner of a topic writes is signed as lines, among the names of fields."""
    ours = TOPIC
    written = f"evil\nMessageId\n1\nTimestamp\n{NOW.isoformat()}\nTopicArn\n{ours}\nType\nNotification"
    theirs = {"Type": "Notification", "MessageId": "2", "Message": written, "TopicArn": ours.replace("SES", "XXX")}
    sent = delivery("amazon_ses", theirs)
    sent.verify()
    envelope = json.loads(sent.request.body)
    rest = f"Notification\nMessageId\n2\nTimestamp\n{envelope['Timestamp']}\nTopicArn\n{envelope['TopicArn']}"
    envelope |= {"Message": "evil", "MessageId": "1", "TopicArn": ours, "Type": f"{rest}\nType\nNotification"}
    body = json.dumps(envelope).encode()
    forged = replace(sent, request=replace(sent.request, body=body), secret=replace(sent.secret, key=ours))
    assert refused(forged) == "no_signature"


def test_a_message_of_sns_has_one_number() -> None:
    """By which it counts once. With its subject in it the same would be signed as another one."""
    inner = json.dumps(ses_bounce("Permanent", "NoEmail"))
    sent = delivery("amazon_ses", {"Type": "Notification", "MessageId": "1", "Subject": "SES", "Message": inner})
    sent.verify()
    envelope = json.loads(sent.request.body)
    del envelope["Subject"]
    body = json.dumps(envelope | {"MessageId": "1\nSubject\nSES"}).encode()
    assert refused(replace(sent, request=replace(sent.request, body=body))) == "no_signature"


@pytest.mark.parametrize("name", ["mailersend", "mailgun", "mailtrap", "mandrill", "unisender_go"])
def test_another_key_is_refused(name: str) -> None:
    assert refused(replace(sample(name), secret=WebhookSecret("another key"))) == "wrong_signature"


@pytest.mark.parametrize("name", ["postal", "resend", "sendgrid"])
def test_a_secret_that_is_no_key_is_named(name: str) -> None:
    assert refused(replace(sample(name), secret=WebhookSecret("pass word!"))) == "bad_secret"


def test_what_comes_before_a_key_of_resend_is_no_key() -> None:
    """Anybody signs by an empty one."""
    assert refused(replace(sample("resend"), secret=WebhookSecret("whsec_"))) == "bad_secret"


@pytest.mark.parametrize("name", DATED)
def test_a_delivery_is_believed_for_five_minutes(name: str) -> None:
    sent = sample(name)
    sent.verify(timedelta(minutes=5))
    sent.verify(timedelta(minutes=-1))
    assert refused(sent, timedelta(minutes=5, seconds=2)) == "too_old"
    assert refused(sent, timedelta(minutes=-1, seconds=-2)) == "from_the_future"
    if name not in ("amazon_ses", "scaleway"):  # Their certificates are of other years.
        assert refused(sent, timedelta(days=365)) == "too_old"
        assert refused(sent, timedelta(days=-365)) == "from_the_future"


def test_after_an_outage_older_ones_can_be_taken() -> None:
    sent = sample("mailgun")
    sent.hook.verify(sent.request, sent.secret, NOW + timedelta(hours=8), timedelta(hours=9))


@pytest.mark.parametrize("name", [name for name in NAMES if not hook(name).signs])
def test_who_does_not_sign_logs_in(name: str) -> None:
    assert refused(replace(sample(name), secret=WebhookSecret(LOGIN + "x"))) == "wrong_signature"
    assert refused(sample(name).under(authorization="Digest x")) == "no_signature"
    assert refused(sample(name).under(authorization="Basic ÿ")) == "wrong_signature"


def test_brevo_sends_a_token_too() -> None:
    replace(sample("brevo"), secret=WebhookSecret("t0ken")).under(authorization="Bearer t0ken").verify()
    assert refused(sample("brevo").under(authorization="Bearer t0ken")) == "wrong_signature"


def test_an_older_postal_signs_by_sha_1() -> None:
    new = sample("postal")
    old = rsa_signature(new.request.body, hashes.SHA1())  # noqa: S303  (theirs)
    request = WebhookRequest(new.request.body, {**JSON, "x-postal-signature": old})
    replace(new, request=request).verify()
    # A newer one sends both, and then the better counts.
    assert refused(new.under(x_postal_signature_256="b2xk", x_postal_signature=old)) == "wrong_signature"


# -- SNS ---------------------------------------------------------------------------------------------------------------

CONFIRMATION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "165545c9",
    "Token": "2336412f37",
    "Message": "You have chosen to subscribe to the topic.",
    "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37",
}


def sns(name: str = "amazon_ses", version: str = "1", **fields: str) -> tuple[SnsWebhook, Delivery]:
    webhook = hook(name)
    assert isinstance(webhook, SnsWebhook)
    return webhook, by_sns(webhook, CONFIRMATION | fields, version)


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_subscription_is_confirmed_at_amazon(version: str) -> None:
    webhook, sent = sns(version=version)
    sent.verify()
    assert webhook.subscribe_url(sent.request) == CONFIRMATION["SubscribeURL"]
    assert webhook.events(sent.request) == ()
    place = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem"
    assert webhook.certificate_url(sent.request) == place


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://sns.us-east-1.amazonaws.com.evil.example/?Action=ConfirmSubscription",
        "https://evil.example/?sns.us-east-1.amazonaws.com/",
        "https://sns.us-east-1.amazonaws.com@evil.example/",
        "https://user@sns.us-east-1.amazonaws.com/",
        "https://sns.us-east-1.amazonaws.com:8443/",
        "https://s3.us-east-1.amazonaws.com/",
        "https://sns.us.east.amazonaws.com/",
        "https://sns.us-east-1.amazonaws.com/\r\nHost: evil.example",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_subscription_is_confirmed_nowhere_else(url: str) -> None:
    webhook, sent = sns(SubscribeURL=url)
    assert webhook.subscribe_url(sent.request) is None


def test_the_end_of_a_subscription_is_said() -> None:
    assert refused(sns(Type="UnsubscribeConfirmation")[1]) == "ended"


def test_a_notification_confirms_nothing() -> None:
    webhook, sent = sns(Type="Notification")
    assert webhook.subscribe_url(sent.request) is None
    assert webhook.events(sent.request) == ()


def test_a_topic_of_somebody_else_is_refused() -> None:
    _webhook, sent = sns(TopicArn="arn:aws:sns:us-east-1:666:theirs")
    sent.verify()
    assert refused(replace(sent, secret=replace(sent.secret, key="arn:aws:sns:us-east-1:1:ours"))) == "other_topic"


def test_a_certificate_counts_while_it_is_valid_and_from_its_place() -> None:
    _webhook, sent = sns()
    too_new, too_old = (certificate(NOW + timedelta(days=days)) for days in (1, -400))
    for pem in ("", "nonsense", too_new, too_old):
        assert refused(replace(sent, secret=replace(sent.secret, certificate=pem))) == "bad_certificate"
    elsewhere = sent.changed(b"https://sns.us-east-1.amazonaws.com/Simple", b"https://sns.evil.example/Simple")
    assert refused(elsewhere) == "bad_certificate"


def test_a_certificate_of_scaleway_counts_by_its_issuer() -> None:
    sent = sample("scaleway")
    sent.verify()
    other = certificate(NOW - timedelta(days=1), rsa.generate_private_key(65537, 2048))
    assert refused(replace(sent, secret=replace(sent.secret, authority=""))) == "no_authority"
    for authority in (other, "nonsense"):
        assert refused(replace(sent, secret=replace(sent.secret, authority=authority))) == "bad_certificate"


def test_a_raw_delivery_has_to_log_in() -> None:
    raw = by_login(hook("amazon_ses"), SAMPLES["amazon_ses"]).under(
        x_amz_sns_message_id="19ba", x_amz_sns_rawdelivery="true"
    )
    raw.verify()
    assert [(event.recipient, event.event_id) for event in raw.hook.events(raw.request)] == [
        ("boris@reader.example", "19ba")
    ]
    assert refused(replace(raw, secret=WebhookSecret("arn:aws:sns:us-east-1:1:ours"))) == "no_signature"


# -- what is no delivery -----------------------------------------------------------------------------------------------


def reading_refused(name: str, request: WebhookRequest) -> str:
    with pytest.raises(WebhookRefused) as caught:
        hook(name).events(request)
    assert caught.value.sentence.count("{") == 0
    return caught.value.code


OF_JSON = [name for name in NAMES if name != "mandrill"]


@pytest.mark.parametrize("name", OF_JSON)
@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"event": "bounce', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 5_000, b"1e999"]
)
def test_json_that_is_cut_off_or_too_deep_is_refused(name: str, body: bytes) -> None:
    assert reading_refused(name, WebhookRequest(body, JSON)) == "not_json"


@pytest.mark.parametrize("name", OF_JSON)
@pytest.mark.parametrize("body", [b"null", b"7", b'"text"'])
def test_json_of_something_else_is_refused(name: str, body: bytes) -> None:
    assert reading_refused(name, WebhookRequest(body, JSON)) == "other_shape"


@pytest.mark.parametrize("name", [name for name in OF_JSON if name != "mailgun"])
def test_a_form_instead_of_json_is_refused(name: str) -> None:
    assert reading_refused(name, WebhookRequest(b"event=bounce&email=ada@reader.example", FORM)) == "not_json"


def test_json_instead_of_a_form_is_refused() -> None:
    assert reading_refused("mandrill", WebhookRequest(b"[]", JSON)) == "not_form"
    assert reading_refused("mandrill", WebhookRequest(b"a=b", FORM)) == "other_shape"
    assert reading_refused("mandrill", WebhookRequest(b"mandrill_events=[{", FORM)) == "not_json"
    assert reading_refused("mandrill", WebhookRequest(b"\xff=%ff&" * 600, FORM)) == "not_form"


def test_ten_thousand_events_are_read_and_no_more() -> None:
    events = [of_boris(event="bounce", sg_event_id=f"{number}", reason=UNKNOWN_USER) for number in range(MOST_EVENTS)]
    assert len(read("sendgrid", events)) == MOST_EVENTS
    assert reading_refused("sendgrid", delivery("sendgrid", [*events, {}]).request) == "too_many"


def test_more_than_16_mb_are_not_read() -> None:
    assert reading_refused("postmark", WebhookRequest(b" " * (16 * 2**20 + 1), JSON)) == "too_large"


@pytest.mark.parametrize("name", ["amazon_ses", "mailgun", "scaleway"])
def test_of_a_body_that_holds_its_signature_a_stranger_makes_us_read_little(name: str) -> None:
    sent = sample(name)
    for body, code in ((b" " * (2**20 + 1), "too_large"), (b"[" + b"[]," * 10_000 + b"[]]", "not_json")):
        assert refused(replace(sent, request=WebhookRequest(body, JSON))) == code


def test_an_event_that_comes_twice_counts_once() -> None:
    bounce = of_boris(event="bounce", sg_event_id="1", timestamp=1796126400, reason=UNKNOWN_USER)
    [event] = read("sendgrid", [bounce, bounce])
    [again] = read("sendgrid", [bounce])
    assert event.key == again.key
    [later] = read("sendgrid", [bounce | {"sg_event_id": "2"}])
    assert event.key != later.key


@pytest.mark.parametrize("name", NAMES)
def test_nothing_follows_from_an_event_of_an_unknown_type(name: str) -> None:
    for written in _with_word(document(name, cases(name)[0]["payload"]) if cases(name) else {}, name, "brand_new"):
        for event in hook(name).events(delivery(name, written).request):
            assert (event.action, event.report.kind) == ("unknown", "none")


def test_a_long_text_is_cut_and_what_no_database_stores_is_taken_out() -> None:
    [event] = read("sendgrid", [of_boris(event="bounce", reason="550 " + "x" * 100_000, sg_event_id="a\0b\ud800")])
    assert event.response is not None
    assert len(event.response) == LONGEST
    assert event.event_id == "ab?"


def test_every_refusal_says_what_to_do() -> None:
    for code in SENTENCES:
        assert re.fullmatch(
            r"[^.]+(\.[^.]+)?\. [A-Z][^.]+\.", WebhookRefused(code, provider="Postal", most="16").sentence
        )


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
    | st.sampled_from(["<a@b>", "1e5", "9" * 14, "0001-01-01T00:00:00+23:59", "[[]]", '{"a":{}}', 10**18, -1e308]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


def _places(value: Any) -> list[tuple[Any, Any]]:
    """(Container, key) of every value within."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(value, key), *_places(value[key])]]


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_value_in_any_field_is_read_or_refused(name: str, data: st.DataObject) -> None:
    payloads = [case["payload"] for case in cases(name)] or [{"raw_event": SAMPLES[name]}]
    payload = json.loads(json.dumps(data.draw(st.sampled_from(payloads))))
    for _change in range(data.draw(st.integers(1, 4))):
        container, key = data.draw(st.sampled_from(_places(payload)))
        container[key] = data.draw(ANYTHING)
    try:
        request = delivery(name, document(name, payload)).request
    except (TypeError, KeyError, ValueError, AttributeError, UnicodeError):
        return  # Nothing that could be signed.
    _reads(name, request)


@pytest.mark.parametrize("name", NAMES)
@given(
    body=ANYTHING.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200), header=st.text(max_size=60)
)
@settings(max_examples=40, deadline=None)
def test_any_body_under_any_header_is_read_or_refused(name: str, body: bytes, header: str) -> None:
    headers = dict.fromkeys(sample(name).request.headers, header)
    for kind in (JSON, FORM, {}):
        request = WebhookRequest(body, {**headers, **kind})
        _reads(name, request)
        with pytest.raises(WebhookRefused):
            hook(name).verify(request, sample(name).secret, NOW)


def _reads(name: str, request: WebhookRequest) -> None:
    try:
        events = hook(name).events(request)
    except WebhookRefused:
        return
    for event in events:
        assert event.report.kind
        assert len(event.key) == 64
        json.dumps(dict(event.metadata))
        str(event).encode()
