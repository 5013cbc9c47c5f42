"""Emails as a group's old mailbox holds them."""

from collections.abc import Callable

OWN = "news@lantern.example"
SERVER = "mx.lantern.example"
DAY = "Mon, 3 Jan 2022 10:00:00 +0000"


def email(
    sender: str,
    subject: str,
    text: str,
    *,
    to: str = OWN,
    day: str = DAY,
    results: str = "spf=none",
    server: str = SERVER,
    more: str = "",
) -> bytes:
    return (
        f"Delivered-To: {to}\nAuthentication-Results: {server}; {results}\n"
        f"Received: from a.example by {server}; {day}\nFrom: {sender}\nTo: {to}\nSubject: {subject}\n{more}"
        f"Date: {day}\n\n{text}\n"
    ).encode()


def mailchimp(address: str, subject: str = "Letter: New Subscriber", *, proven: bool = True, **other: str) -> bytes:
    """A notice as we think that Mailchimp sends it."""
    results = "dkim=pass header.d=mailchimp.com; dmarc=pass header.from=mailchimp.com" if proven else "dkim=none"
    text = f"Email Address: {address}\nFirst Name: Ada\n\nMailchimp, 405 N Angier Ave, help@mailchimp.com"
    return email("Mailchimp <no-reply@mailchimp.com>", subject, text, results=results, **other)


def left(address: str, **other: str) -> bytes:
    return mailchimp(address, "Letter: Unsubscribe", **other)


def bounce(address: str, *, to: str = OWN, day: str = DAY) -> bytes:
    text = (
        "--b\n\nIt could not be delivered.\n--b\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; a.example\n\nFinal-Recipient: rfc822; {address}\nAction: failed\nStatus: 5.1.1\n"
        "Diagnostic-Code: smtp; 550 5.1.1 User unknown\n\n--b--"
    )
    kind = "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n"
    return email("MAILER-DAEMON@a.example", "Undelivered", text, to=to, day=day, more=kind)


def complaint(address: str, **other: str) -> bytes:
    text = (
        "--b\n\nA complaint.\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: x/1\n"
        f"Version: 1\nOriginal-Rcpt-To: {address}\n\n--b--"
    )
    kind = "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n"
    return email("fbl@provider.example", "Complaint", text, more=kind, **other)


def wants_to_leave(address: str, **other: str) -> bytes:
    return email(address, "Unsubscribe", "", **other)


def wrote(address: str, **other: str) -> bytes:
    return email(address, "Re: Letter", "Thank you for this.", **other)


NOES: tuple[Callable[..., bytes], ...] = (left, bounce, complaint, wants_to_leave)
