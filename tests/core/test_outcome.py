"""Every line of the table of answers, as relays really say it, and the rules for what stands in no table."""

# ruff: noqa: E501  (tables are read one row a line)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.outcome import (
    ANSWERS,
    SAME,
    SAME_MAILBOX,
    TABLE,
    Accepted,
    Deferred,
    Refused,
    RouteVerdict,
    SameRefusal,
    Unsure,
    answer_class,
    as_route_fault,
    classify,
    find_row,
    judge,
    scrub,
)

DEAD, THROTTLED, CONFIG = "dead", "throttled", "config"
RECIPIENT, MESSAGE = "recipient", "message"  # refused for good
LATER = "later"  # the recipient, another time
HERE = "here"  # not by this route, which lives
SLOWER = "slower"  # one answer that asks for patience

# stage, code, text, what it means, reason of the verdict or answer class
ANSWERED = [
    # Amazon SES
    ("final", 554, "Message rejected: Sending paused for this account. For more information, please check the inbox of the email address associated with your AWS account.", DEAD, "paused"),
    ("http", 400, "AccountSendingPausedException: Sending paused for this account.", DEAD, "paused"),
    ("http", 400, "ConfigurationSetSendingPausedException: Sending paused for this configuration set", DEAD, "paused"),
    ("http", 400, "SendingPausedException", DEAD, "paused"),
    ("http", 400, "AccountSuspendedException", DEAD, "suspended"),
    ("final", 454, "Throttling failure: Maximum sending rate exceeded.", THROTTLED, "rate"),
    ("mail", 454, "Throttling failure: Daily message quota exceeded.", THROTTLED, "quota"),
    ("http", 429, "TooManyRequestsException", THROTTLED, "rate"),
    ("http", 400, "Throttling: Rate exceeded", THROTTLED, "rate"),
    ("http", 429, "LimitExceededException", THROTTLED, "quota"),
    ("final", 554, "Message rejected: Email address is not verified. The following identities failed the check in region EU-WEST-1: news@lantern.example", CONFIG, "sender"),
    ("http", 400, "MailFromDomainNotVerifiedException", CONFIG, "sender"),
    ("auth", 535, "Authentication Credentials Invalid", DEAD, "login"),
    ("http", 200 + 400, "bounce OnAccountSuppressionList", RECIPIENT, "inactive"),
    # Mailgun
    ("http", 403, "Domain lantern.example is not allowed to send: disabled", DEAD, "suspended"),
    ("http", 403, "Account Terminated", DEAD, "suspended"),
    ("http", 403, "Your account is disabled", DEAD, "suspended"),
    ("http", 403, "Free accounts are for test purposes only. Please upgrade.", DEAD, "plan"),
    ("http", 403, "Sandbox subdomains are for test purposes only.", DEAD, "plan"),
    ("http", 403, "The domain is unverified and requires DNS configuration. Log in to your control panel.", CONFIG, "sender"),
    ("mail", 421, "Domain lantern.example is not allowed to send: disabled", DEAD, "suspended"),
    ("http", 401, "Forbidden", DEAD, "not_authorised"),
    ("http", 402, "Payment Required", DEAD, "credits"),
    ("http", 420, "recipient limit exceeded", THROTTLED, "rate"),
    ("http", 429, "Domain lantern.example request limit (100) exceeded", THROTTLED, "rate"),
    ("http", 605, "Not delivering to previously bounced address", RECIPIENT, "inactive"),
    ("http", 606, "Not delivering to a user who unsubscribed from your messages", RECIPIENT, "inactive"),
    ("http", 607, "Not delivering to a user who marked your messages as spam", RECIPIENT, "inactive"),
    # SendGrid
    ("http", 401, '{"errors":[{"message":"Maximum credits exceeded"}]}', THROTTLED, "credits"),
    ("auth", 451, "Authentication failed: Maximum credits exceeded", THROTTLED, "credits"),
    ("http", 401, "The provided authorization grant is invalid, expired, or revoked", DEAD, "login"),
    ("http", 403, "access forbidden", DEAD, "login"),
    ("http", 403, "Your account is under review", DEAD, "suspended"),
    ("http", 403, "The from address does not match a verified Sender Identity.", CONFIG, "sender"),
    ("final", 550, "The from address does not match a verified Sender Identity.", CONFIG, "sender"),
    ("final", 550, "Unauthenticated senders: temporarily blocked due to repeated bad requests", THROTTLED, "rate"),
    ("http", 600, "dropped: Bounced Address", RECIPIENT, "inactive"),
    ("http", 600, "dropped: Unsubscribed Address", RECIPIENT, "inactive"),
    ("http", 600, "dropped: Spam Reporting Address", RECIPIENT, "inactive"),
    # Postmark
    ("http", 422, '{"ErrorCode":10,"Message":"Bad or missing API token"}', DEAD, "login"),
    ("http", 422, '{"ErrorCode":413,"Message":"You are not allowed to send"}', DEAD, "suspended"),
    ("http", 422, '{"ErrorCode":412,"Message":"Account is pending approval"}', DEAD, "suspended"),
    ("http", 422, '{"ErrorCode":405,"Message":"Not allowed to send (out of credits)"}', DEAD, "credits"),
    ("http", 422, '{"ErrorCode":400,"Message":"Sender signature not found"}', CONFIG, "sender"),
    ("http", 422, '{"ErrorCode":401,"Message":"Sender signature not confirmed"}', CONFIG, "sender"),
    ("http", 422, '{"ErrorCode":300,"Message":"Invalid email request"}', MESSAGE, "content"),
    ("http", 422, '{"ErrorCode":402,"Message":"Invalid JSON"}', MESSAGE, "content"),
    ("http", 422, '{"ErrorCode":409,"Message":"JSON required"}', MESSAGE, "content"),
    ("http", 422, '{"ErrorCode":410,"Message":"Too many batch messages"}', MESSAGE, "content"),
    ("http", 422, '{"ErrorCode":411,"Message":"Forbidden attachment type"}', MESSAGE, "content"),
    ("http", 422, '{"ErrorCode":406,"Message":"Inactive recipient"}', RECIPIENT, "inactive"),
    ("http", 503, '{"ErrorCode":100,"Message":"Maintenance"}', THROTTLED, "busy"),
    # Brevo
    ("http", 403, '{"code":"account_under_validation"}', DEAD, "not_authorised"),
    ("http", 402, '{"code":"not_enough_credits"}', DEAD, "credits"),
    ("http", 403, '{"code":"permission_denied"}', DEAD, "not_authorised"),
    ("http", 401, '{"code":"unauthorized"}', DEAD, "login"),
    ("http", 400, '{"code":"invalid_parameter"}', MESSAGE, "content"),
    ("http", 400, '{"code":"missing_parameter"}', MESSAGE, "content"),
    ("http", 400, '{"code":"out_of_range"}', MESSAGE, "content"),
    ("http", 400, '{"code":"duplicate_parameter"}', MESSAGE, "content"),
    ("http", 404, '{"code":"document_not_found"}', MESSAGE, "content"),
    ("http", 405, '{"code":"method_not_allowed"}', MESSAGE, "content"),
    ("auth", 525, "5.7.1 Unauthorized IP address", DEAD, "not_authorised"),
    ("mail", 502, "5.7.0 Your SMTP account is not yet activated", DEAD, "not_authorised"),
    # SparkPost
    ("http", 420, "Exceed Sending Limit (daily)", THROTTLED, "quota"),
    ("final", 451, "4.3.0 [internal] Sending IP temporarily suspended", THROTTLED, "rate"),
    ("http", 403, "Forbidden.", DEAD, "not_authorised"),
    ("http", 403, "account suspended", DEAD, "suspended"),
    ("auth", 535, "5.7.8 Sorry.", DEAD, "login"),
    ("mail", 550, "5.7.1 Unconfigured Sending Domain <lantern.example>", CONFIG, "sender"),
    ("rcpt", 554, "5.7.1 [internal] recipient address was suppressed due to customer policy", RECIPIENT, "inactive"),
    ("final", 550, "5.6.0 smtpapi: cannot parse JSON", MESSAGE, "content"),
    # Mandrill
    ("http", 500, '{"name":"PaymentRequired"}', DEAD, "credits"),
    ("http", 500, '{"name":"Invalid_Key"}', DEAD, "login"),
    ("http", 500, '{"name":"Unknown_Subaccount"}', DEAD, "login"),
    ("http", 600, '{"status":"rejected","reject_reason":"hard-bounce"}', RECIPIENT, "inactive"),
    ("http", 600, '{"status":"rejected","reject_reason":"spam"}', RECIPIENT, "inactive"),
    ("http", 600, '{"status":"rejected","reject_reason":"unsub"}', RECIPIENT, "inactive"),
    ("http", 600, '{"status":"rejected","reject_reason":"invalid"}', RECIPIENT, "inactive"),
    ("http", 600, '{"status":"rejected","reject_reason":"invalid-sender"}', CONFIG, "sender"),
    ("http", 600, '{"status":"rejected","reject_reason":"unsigned"}', CONFIG, "sender"),
    ("http", 600, '{"status":"rejected","reject_reason":"test-mode-limit"}', DEAD, "plan"),
    # Mailjet and others by rule 7
    ("http", 401, '{"ErrorMessage":"API key authentication/authorization failure."}', DEAD, "not_authorised"),
    ("http", 500, "<html>Bad gateway</html>", THROTTLED, "busy"),
    ("http", 413, "Request Entity Too Large", MESSAGE, "size"),
    ("http", 422, "Unprocessable", MESSAGE, "content"),
    ("http", 429, "slow down, retry after 30 seconds", THROTTLED, "rate"),
    ("http", 451, "Unavailable For Legal Reasons", DEAD, "refused"),
    # Gmail and Workspace as a relay
    ("auth", 535, "5.7.8 Username and Password not accepted. For more information, go to https://support.google.com/mail/?p=BadCredentials", DEAD, "login"),
    ("auth", 534, "5.7.9 Application-specific password required.", DEAD, "login"),
    ("auth", 534, "5.7.14 Please log in via your web browser and then try again.", DEAD, "login"),
    ("final", 550, "5.4.5 Daily user sending limit exceeded.", THROTTLED, "quota"),
    ("rcpt", 550, "5.4.6 Daily SMTP relay limit exceeded for user.", THROTTLED, "quota"),
    ("mail", 550, "5.7.0 Mail relay denied [192.0.2.1]. Invalid credentials for relay", DEAD, "relay_denied"),
    ("rcpt", 450, "4.2.1 Peak SMTP relay limit exceeded for customer.", THROTTLED, "rate"),
    # To Gmail
    ("final", 421, "4.7.28 Our system has detected an unusual rate of unsolicited mail", SLOWER, "throttled"),
    ("rcpt", 450, "4.2.1 The user you are trying to contact is receiving mail too quickly.", LATER, "throttled"),
    ("final", 550, "5.7.26 This mail is unauthenticated, which poses a security risk: DMARC, SPF, DKIM did not pass", CONFIG, "authentication_records"),
    ("final", 550, "5.7.25 The IP address sending this message does not have a PTR record", CONFIG, "authentication_records"),
    ("final", 550, "5.7.29 This message was not sent over TLS", CONFIG, "authentication_records"),
    ("final", 550, "5.7.30 DKIM did not pass", CONFIG, "authentication_records"),
    ("final", 550, "5.7.27 SPF did not pass", CONFIG, "authentication_records"),
    ("final", 550, "5.7.1 Our system has detected that this message is likely unsolicited mail.", MESSAGE, "content"),
    ("final", 552, "5.7.0 This message was blocked because its content presents a potential security issue", MESSAGE, "content"),
    ("rcpt", 452, "4.2.2 The email account that you tried to reach is over quota.", LATER, "full"),
    ("rcpt", 552, "5.2.2 The email account that you tried to reach is over quota.", RECIPIENT, "full"),
    ("rcpt", 550, "5.1.1 The email account that you tried to reach does not exist.", RECIPIENT, "no_such_mailbox"),
    ("rcpt", 550, "5.2.1 The email account that you tried to reach is disabled.", RECIPIENT, "inactive"),
    # Microsoft 365
    ("final", 550, "5.1.8 Access denied, bad outbound sender", DEAD, "suspended"),
    ("final", 550, "5.7.501 Access denied, spam abuse detected", DEAD, "suspended"),
    ("final", 550, "5.7.502 Access denied, banned sender", DEAD, "suspended"),
    ("final", 550, "5.7.503 Access denied, banned sender", DEAD, "suspended"),
    ("final", 550, "5.7.705 Access denied, tenant has exceeded threshold", DEAD, "suspended"),
    ("final", 550, "5.7.750 Client blocked from sending from unregistered domain", DEAD, "suspended"),
    ("auth", 535, "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.", DEAD, "login"),
    ("mail", 530, "5.7.57 Client not authenticated to send mail.", DEAD, "login"),
    ("rcpt", 550, "5.1.90 Your message can't be sent because you've reached your daily limit for message recipients", THROTTLED, "quota"),
    ("auth", 432, "4.3.2 Concurrent connections limit exceeded.", THROTTLED, "rate"),
    ("final", 451, "4.7.500 Server busy. Please try again later.", THROTTLED, "busy"),
    ("final", 550, "5.7.515 Access denied, sending domain does not meet the required authentication level.", CONFIG, "authentication_records"),
    ("final", 550, "5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. part of their network is on our block list (S3140).", HERE, "route"),
    ("final", 550, "5.7.511 Access denied, banned sender[192.0.2.1]", HERE, "route"),
    ("final", 550, "5.7.606 Access denied, banned sending IP [192.0.2.1]", HERE, "route"),
    ("final", 550, "5.7.649 Access denied, banned sending IP", HERE, "route"),
    ("final", 550, "5.7.708 Service unavailable. Access denied, traffic not accepted from this IP", HERE, "route"),
    ("rcpt", 550, "5.7.703 Your message can't be delivered because one or more recipients are blocked by your organization's tenant allow/block list", RECIPIENT, "policy"),
    ("rcpt", 550, "5.4.1 Recipient address rejected: Access denied.", RECIPIENT, "policy"),
    ("rcpt", 550, "5.1.10 Recipient not found", RECIPIENT, "policy"),
    # Yahoo
    ("final", 421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume", SLOWER, "throttled"),
    ("final", 553, "5.7.1 [BL21] Connections will not be accepted from 192.0.2.1", HERE, "route"),
    ("final", 554, "5.7.9 Message not accepted for policy reasons: DMARC", CONFIG, "authentication_records"),
    # mail.ru, Yandex
    ("final", 550, "message sending for this account is disabled", DEAD, "suspended"),
    ("final", 550, "spam message rejected. Please visit http://help.mail.ru/notspam-support/id?c=abc", MESSAGE, "content"),
    ("auth", 535, "5.7.8 Error: authentication failed: Invalid user or password!", DEAD, "login"),
    ("final", 554, "5.7.1 [2] Message rejected under suspicion of SPAM", MESSAGE, "content"),
    ("rcpt", 450, "4.2.1 The recipient has exceeded message rate limit. Try again later.", LATER, "throttled"),
    ("final", 550, "5.7.1 Sender limit exceeded", THROTTLED, "rate"),
    # Shared hosters
    ("rcpt", 550, "Too many messages. Try again in 92 seconds.", THROTTLED, "rate"),
    ("mail", 550, "5.1.0 policy violation", THROTTLED, "rate"),
    ("rcpt", 550, "5.1.0 policy violation", THROTTLED, "rate"),
    ("mail", 451, "rate limit", THROTTLED, "rate"),
    ("rcpt", 550, "Domain lantern.example has exceeded the max emails per hour (200/200 (100%)) allowed. Message discarded.", THROTTLED, "rate"),
    # Any relay
    ("rcpt", 550, "relay not permitted", DEAD, "relay_denied"),
    ("rcpt", 554, "5.7.1 <boris@x.example>: Relay access denied", DEAD, "relay_denied"),
    ("rcpt", 554, "5.7.1 <boris@x.example>: Recipient address rejected: Relay access denied", DEAD, "relay_denied"),
    ("rcpt", 550, "5.7.1 Unable to relay", DEAD, "relay_denied"),
    ("final", 550, "5.7.1 Your account has been suspended", DEAD, "suspended"),
    ("rcpt", 550, "5.7.1 account disabled", DEAD, "suspended"),
    ("mail", 550, "5.7.1 This account is locked", DEAD, "suspended"),
    ("rcpt", 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", HERE, "route"),
    ("banner", 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", DEAD, "listed"),
    ("rcpt", 554, "5.7.1 Error: open resolver; https://www.spamhaus.org/returnc/pub/ query refused", LATER, "system"),
    ("rcpt", 450, "4.7.1 Greylisted, please try again", LATER, "greylisted"),
    ("rcpt", 451, "4.7.1 Graylisting in action", LATER, "greylisted"),
    ("rcpt", 553, "5.6.7 SMTPUTF8 required", MESSAGE, "utf8"),
    ("mail", 550, "5.6.7 Address needs UTF-8", MESSAGE, "utf8"),
    ("mail", 552, "5.3.4 Message size exceeds fixed limit", MESSAGE, "size"),
    ("mail", 552, "Message size exceeds maximum permitted", MESSAGE, "size"),
    ("final", 552, "5.2.3 Message too large", MESSAGE, "size"),
    # Rule 1: where it occurs
    ("connect", 554, "no", DEAD, "refused"),
    ("banner", 554, "No SMTP service here", DEAD, "refused"),
    ("banner", 450, "4.3.2 come back later", THROTTLED, "busy"),
    ("ehlo", 550, "We do not like your name", DEAD, "refused"),
    ("mail", 550, "Sender rejected", CONFIG, "sender"),
    ("mail", 553, "5.1.7 bad sender address", CONFIG, "sender"),
    ("mail", 452, "4.3.1 Insufficient system storage", THROTTLED, "busy"),
    ("rcpt", 550, "No", RECIPIENT, "policy"),
    ("rcpt", 550, "User unknown in virtual mailbox table", RECIPIENT, "no_such_mailbox"),
    ("rcpt", 550, "No such user here", RECIPIENT, "no_such_mailbox"),
    ("rcpt", 450, "later", LATER, "other"),
    ("final", 554, "No", MESSAGE, "content"),
    ("final", 451, "Local error in processing", LATER, "other"),
    ("data", 503, "5.5.1 bad sequence of commands", MESSAGE, "content"),
    # Rule 3: words
    ("final", 554, "The account of news is disabled for outgoing mail", DEAD, "suspended"),
    ("rcpt", 550, "Sending from this account has been blocked", DEAD, "suspended"),
    ("rcpt", 550, "The recipient's account is disabled", RECIPIENT, "policy"),
    ("rcpt", 550, "This user's account is blocked", RECIPIENT, "policy"),
    ("final", 554, "Sender deactivated", DEAD, "suspended"),
    ("final", 554, "Blocked sender", DEAD, "suspended"),
    ("rcpt", 550, "billing problem", DEAD, "credits"),
    ("rcpt", 452, "hourly sending quota reached", THROTTLED, "quota"),
    ("rcpt", 552, "Mailbox quota exceeded", RECIPIENT, "full"),
    ("rcpt", 550, "authentication required", DEAD, "login_needed"),
    ("mail", 530, "5.7.0 Must issue a STARTTLS command first", DEAD, "login_needed"),
    ("rcpt", 550, "You are not authorized", DEAD, "not_authorised"),
    ("rcpt", 550, "5.7.1 not authorized to send to this recipient", RECIPIENT, "policy"),
    ("final", 550, "sender domain not verified", CONFIG, "sender"),
    ("final", 554, "poor reputation of your address", HERE, "route"),
    # Rule 4
    ("auth", 454, "4.7.0 Temporary authentication failure", THROTTLED, "busy"),
    ("auth", 538, "5.7.11 Encryption required", DEAD, "login"),
    ("auth", 530, "5.7.0 no", DEAD, "login"),
    # Rule 5
    ("rcpt", 450, "4.7.1 try later", SLOWER, "throttled"),
    ("final", 550, "5.6.1 unsupported media", MESSAGE, "content"),
    ("rcpt", 450, "4.4.3 DNS failure", LATER, "network"),
    ("rcpt", 512, "5.1.2 Host unknown", RECIPIENT, "no_such_mailbox"),
    ("rcpt", 556, "5.1.10 Recipient address has null MX", RECIPIENT, "policy"),
    ("final", 451, "4.3.0 queue file write error", SLOWER, "system"),
    # Rule 6
    ("mail", 421, "4.3.2 shutting down", THROTTLED, "busy"),
    ("final", 421, "4.3.2 shutting down", SLOWER, "throttled"),
    ("rcpt", 421, "too many concurrent connections", SLOWER, "throttled"),
    ("rcpt", 421, "4.7.0 your account is suspended", DEAD, "suspended"),
    ("rcpt", 452, "4.5.3 too many recipients", LATER, "throttled"),
    # The same things in other words
    ("http", 400, "Not delivering to previously bounced address", RECIPIENT, "inactive"),
    ("rcpt", 450, "The recipient has exceeded message rate limit", LATER, "throttled"),
    ("mail", 555, "SMTPUTF8 not supported", MESSAGE, "utf8"),
    ("rcpt", 550, "5.2.4 mailing list expansion problem", RECIPIENT, "policy"),
    ("mail", 550, "You are not allowed to send", DEAD, "not_authorised"),
    ("http", 403, "client not authorized", DEAD, "not_authorised"),
    ("rcpt", 550, "5.3.0 other mail system status", RECIPIENT, "system"),
    ("http", 402, "{}", DEAD, "credits"),
]  # fmt: skip


def meaning(stage: str, code: int, text: str) -> str:
    outcome, verdict = judge(stage, code, text)  # type: ignore[arg-type]
    if verdict.state != "ok":
        assert isinstance(outcome, Deferred)
        assert outcome.scope == {"dead": "route", "throttled": "throttle", "config": "config"}[verdict.state]
        return verdict.state
    if isinstance(outcome, Refused):
        return outcome.scope
    assert isinstance(outcome, Deferred)
    return {"recipient": LATER, "route": HERE, "throttle": SLOWER, "message": MESSAGE}[outcome.scope]


@pytest.mark.parametrize(("stage", "code", "text", "means", "why"), ANSWERED)
def test_an_answer_means_what_the_table_says(stage: str, code: int, text: str, means: str, why: str) -> None:
    outcome, verdict = judge(stage, code, text)  # type: ignore[arg-type]
    assert meaning(stage, code, text) == means
    assert why == (verdict.reason if verdict.state != "ok" else outcome.answer)  # type: ignore[union-attr]


def test_every_row_of_the_table_is_the_answer_to_some_line() -> None:
    used = {find_row(stage, code, text) for stage, code, text, _, _ in ANSWERED}
    assert [row for row in TABLE if row not in used] == []


@given(
    st.sampled_from(["connect", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "final", "http"]),
    st.integers(-1, 1000),
    st.text(max_size=200),
)
def test_no_answer_is_a_surprise_and_none_about_the_route_marks_anybody(stage: str, code: int, text: str) -> None:
    outcome, verdict = judge(stage, code, text)  # type: ignore[arg-type]
    if isinstance(outcome, Refused):
        assert outcome.scope in ("recipient", "message")
        assert verdict.state == "ok"
        assert stage in ("mail", "rcpt", "data", "final", "http")
    assert 0 <= answer_class(outcome) < len(ANSWERS)
    assert verdict.sentence


@pytest.mark.parametrize("code", [0, 1, 99, 100, 199, 300, 334, 354, 399, 700, 999])
def test_a_code_that_is_none_defers_and_flags_the_route(code: int) -> None:
    assert judge("rcpt", code, "what") == (
        Deferred(code, "what", "route", "bad_answer"),
        RouteVerdict("ok", "bad_answer"),
    )


def test_a_yes_is_accepted_and_keeps_no_text() -> None:
    assert classify("final", 250, "2.0.0 Ok: queued as ABC") == Accepted(250)
    assert classify("data", 354, "go ahead") == Accepted(354)


def test_a_told_wait_wins_over_the_table() -> None:
    assert judge("rcpt", 550, "Too many messages. Try again in 92 seconds.")[1].wait == 92
    assert judge("final", 550, "5.4.5 Daily user sending limit exceeded")[1].wait == 86400


def test_a_wrong_password_may_be_asked_once_more_after_ten_minutes() -> None:
    assert judge("auth", 535, "5.7.8 no")[1].wait == 600
    assert judge("final", 554, "Sending paused for this account")[1].wait is None


def test_answer_classes_keep_their_numbers() -> None:
    assert ANSWERS[:15] == (
        "accepted", "full", "no_such_mailbox", "policy", "content", "size", "greylisted", "throttled", "route",
        "network", "expired", "unsure", "suppressed", "cancelled", "unmakeable",
    )  # fmt: skip
    assert answer_class(Accepted()) == 0
    assert answer_class(Unsure("x")) == 11
    assert answer_class(Refused(550, "", "recipient", "full")) == 1


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("5.1.1 <boris@north.example>: no such user", "5.1.1 <…>: no such user"),
        ("no mailbox boris@north.example here", "no mailbox … here"),
        ("user boris unknown", "user … unknown"),
        ("BORIS@NORTH.EXAMPLE rejected", "… rejected"),
        ("bounce+boris=north.example@lantern.example refused", "… refused"),
        ("boris=40north.example", "…"),
        ("see https://x.example/?to=boris%40north.example now", "see https:… now"),
        ("Ok: queued as 4Zq1xN0abcz9", "Ok: queued as …"),
        ("token abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst end", "token … end"),
        ("two\r\nlines\x00\x1b[31m", "two lines [31m"),
        ("x " * 1000, ("x " * 150).strip()),
        ("", ""),
    ],
)
def test_an_answer_is_stored_without_anybody_in_it(text: str, kept: str) -> None:
    assert scrub(text, "boris@north.example") == kept


@given(st.from_regex(r"[a-z0-9.+_-]{1,20}@[a-z0-9-]{1,20}\.[a-z]{2,5}", fullmatch=True), st.text(max_size=50))
def test_no_address_survives_scrubbing(address: str, around: str) -> None:
    assert address not in scrub(f"{around} <{address}> {around}")


def refusal(text: str = "5.7.1 go away", code: int = 550, answer: str = "policy") -> Refused:
    return Refused(code, text, "recipient", answer)


def test_the_same_refusal_for_so_many_domains_means_the_route() -> None:
    same = SameRefusal()
    noted = [
        same.note(refusal(f"5.7.1 go away {number}, a{number}@d{number}.example"), f"a{number}@d{number}.example")
        for number in range(SAME)
    ]
    assert noted == [False] * (SAME - 1) + [True]


def test_a_success_between_begins_anew() -> None:
    same = SameRefusal()
    for number in range(SAME - 1):
        same.note(refusal(), f"a@d{number}.example")
    same.success()
    assert not same.note(refusal(), "a@another.example")


def test_another_refusal_between_begins_anew() -> None:
    same = SameRefusal()
    for number in range(SAME - 1):
        same.note(refusal(), f"a@d{number}.example")
    assert same.begins_anew(refusal("other words"))
    assert not same.note(refusal("other words"), "a@another.example")


def test_one_domain_that_refuses_everybody_is_not_the_route() -> None:
    same = SameRefusal()
    assert not any(same.note(refusal(), f"a{number}@one.example") for number in range(100))


def test_stale_addresses_need_many_more_in_a_row() -> None:
    same = SameRefusal()
    gone = refusal("5.1.1 no such user", answer="no_such_mailbox")
    noted = [same.note(gone, f"a@d{number}.example") for number in range(SAME_MAILBOX)]
    assert noted.index(True) == SAME_MAILBOX - 1


def test_a_refusal_that_means_the_route_is_only_deferred() -> None:
    assert as_route_fault(refusal()) == Deferred(550, "5.7.1 go away", "route", "route")
    assert as_route_fault(Deferred(450, "x", "recipient", "other", 5)) == Deferred(450, "x", "route", "route", 5)
