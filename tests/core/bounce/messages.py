"""Messages that come back, put together for a test."""

from typing import Final

WE: Final = "letter@lantern.example"
ADA, BORIS = "ada@reader.example", "boris@reader.example"
RETURNED = f"""Return-Path: <b+1234@lantern.example>
From: Northern Lantern <{WE}>
To: Ada <{ADA}>
Subject: News from the north
Message-ID: <edition.7@lantern.example>
List-Unsubscribe: <mailto:leave+tok3n@lantern.example>, <https://lantern.example/leave/tok3n>
X-Lantern: tok3n

Dear Ada
"""


def notice(
    text: str, *, sender: str = "MAILER-DAEMON@relay.example", subject: str = "Undelivered", more: str = ""
) -> bytes:
    """A message in prose, in UTF-8."""
    return f"Return-Path: <>\nFrom: {sender}\nTo: {WE}\nSubject: {subject}\n{more}\n{text}".encode()


def dsn(fields: str, text: str = "Your message could not be delivered.", returned: str = RETURNED) -> bytes:
    """A standard report: `fields` of its recipients, `text` for people."""
    return f"""Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@relay.example>
To: b+1234@lantern.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_edge"

--=_edge
Content-Type: text/plain; charset=utf-8

{text}

--=_edge
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

{fields}

--=_edge
Content-Type: message/rfc822

{returned}
--=_edge--
""".encode()


def failed(recipient: str, words: str = "550 5.1.1 No such user", status: str = "5.1.1") -> str:
    return f"""Final-Recipient: rfc822; {recipient}
Action: failed
Status: {status}
Diagnostic-Code: smtp; {words}
"""


def complaint(original: str = "", returned: str = RETURNED, kind: str = "abuse") -> bytes:
    """A report as RFC 5965 has it. `original`: a field more."""
    return f"""From: feedback@provider.example
To: b+1234@lantern.example
Subject: FW: News
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=edge

--edge
Content-Type: text/plain

This is an email abuse report.

--edge
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Provider/1.0
Version: 1
{original}

--edge
Content-Type: message/rfc822

{returned}
--edge--
""".encode()
