"""What receivers report about a domain: read whoever packed it how, and nothing that a stranger sends costs much."""

import base64
import gzip
import io
import json
import zipfile
from typing import Any

import pytest

from samizdat.core.bounce import reading
from samizdat.core.mail import domain_reports
from samizdat.core.mail.domain_reports import DomainReport, ReadResult, ReportTally

RECORD = """
<record><row><source_ip>{ip}</source_ip><count>{count}</count>
<policy_evaluated><disposition>none</disposition><dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row>
<identifiers><header_from>lantern.example</header_from></identifiers>
<auth_results>{auth}</auth_results></record>"""
FEEDBACK = """<?xml version="1.0" encoding="UTF-8"?>
<feedback{attributes}><version>1.0</version>
<report_metadata><org_name>google.com</org_name><email>noreply-dmarc-support@google.com</email>
<report_id>1234567890</report_id><date_range><begin>1795996800</begin><end>1796083199</end></date_range></report_metadata>
<policy_published><domain>lantern.example</domain><adkim>r</adkim><aspf>r</aspf><p>none</p></policy_published>
{records}
</feedback>"""
OURS = "<dkim><domain>lantern.example</domain><selector>sz2611e</selector><result>pass</result></dkim>"
TLS: dict[str, Any] = {
    "organization-name": "Example Inc.",
    "date-range": {"start-datetime": "2026-11-30T00:00:00Z", "end-datetime": "2026-11-30T23:59:59Z"},
    "contact-info": "tls@example.net",
    "report-id": "5065427c",
    "policies": [
        {
            "policy": {"policy-type": "sts", "policy-domain": "lantern.example"},
            "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
            "failure-details": [
                {"result-type": "certificate-expired", "sending-mta-ip": "2001:db8::1", "failed-session-count": 100},
                {
                    "result-type": "starttls-not-supported",
                    "receiving-mx-hostname": "mx2.lantern.example",
                    "failed-session-count": 200,
                },
            ],
        }
    ],
}


def feedback(*records: str, attributes: str = "") -> bytes:
    return FEEDBACK.format(records="".join(records), attributes=attributes).encode()


def record(ip: str = "192.0.2.25", count: int = 40, dkim: str = "pass", spf: str = "pass", auth: str = OURS) -> str:
    return RECORD.format(ip=ip, count=count, dkim=dkim, spf=spf, auth=auth)


def mailed(data: bytes, kind: str, name: str, subject: str = "Report Domain: lantern.example") -> bytes:
    """As Gmail sends it: the file is all there is."""
    body = base64.encodebytes(data).decode()
    head = f"From: noreply@receiver.example\nTo: reports@lantern.example\nSubject: {subject}\nMIME-Version: 1.0\n"
    return f"{head}Content-Type: {kind}; name={name}\nContent-Transfer-Encoding: base64\n\n{body}".encode()


def zipped(data: bytes, name: str = "report.xml") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return packed.getvalue()


def read(data: bytes) -> ReadResult:
    raw = mailed(data, "application/gzip", "receiver.example!lantern.example!1!2.xml.gz")
    return domain_reports.read(raw, len(raw))


@pytest.mark.parametrize("pack", [gzip.compress, zipped, bytes], ids=["gzip", "zip", "plain"])
@pytest.mark.parametrize("attributes", ["", ' xmlns="urn:ietf:params:xml:ns:dmarc-2.0"'], ids=["RFC 7489", "RFC 9990"])
def test_an_aggregate_report_is_read_however_it_is_packed(pack: Any, attributes: str) -> None:
    stranger = record("203.0.113.9", 7, "fail", "fail", "<spf><domain>spam.example</domain><result>fail</result></spf>")
    report = read(pack(feedback(record(), record(count=2), stranger, attributes=attributes)))
    assert report == DomainReport(
        "dmarc", "google.com", "1234567890", "lantern.example", 1795996800, "none",
        (ReportTally("192.0.2.0/24", "lantern.example", "pass", 42), ReportTally("203.0.113.0/24", "", "fail", 7)),
    )  # fmt: skip


def test_a_report_is_told_from_a_bounce_by_the_one_who_reads_the_mail() -> None:
    for raw in (
        mailed(gzip.compress(feedback(record())), "application/gzip", "a!b!1!2.xml.gz"),
        mailed(
            zipped(feedback(record())), "application/zip", "a!b!1!2.zip", "Report domain: lantern.example Submitter: x"
        ),
        mailed(gzip.compress(json.dumps(TLS).encode()), "application/tlsrpt+gzip", "a.json.gz", "Report Domain: x"),
    ):
        assert [event.reason for event in reading.read(raw).events] == ["report"]


def test_of_a_server_only_its_network_is_kept() -> None:
    report = read(feedback(record("2001:db8:1:2::3"), record("::ffff:192.0.2.1")))
    assert isinstance(report, DomainReport)
    assert {tally.source for tally in report.tallies} == {"2001:db8:1::/48", "192.0.2.0/24"}


def test_a_tls_report_is_summed_by_result() -> None:
    report = read(gzip.compress(json.dumps(TLS).encode()))
    assert isinstance(report, DomainReport)
    assert (report.kind, report.domain, report.policy) == ("tls", "lantern.example", "sts")
    assert {(tally.source, tally.result): tally.count for tally in report.tallies} == {
        ("", "success"): 5326,
        ("", "certificate-expired"): 100,
        ("mx2.lantern.example", "starttls-not-supported"): 200,
        ("", "other"): 3,
    }


def test_of_a_field_that_comes_twice_one_counts_and_half_a_character_is_none() -> None:
    data = json.dumps(TLS).replace('"report-id": "5065427c"', '"report-id": "1", "report-id": "2\\ud800"')
    report = read(gzip.compress(data.replace("Example Inc.", "Ex\\udc00ample").encode()))
    assert isinstance(report, DomainReport)
    assert (report.number, report.reporter) == ("2?", "Ex?ample")


BOMB = b'<!DOCTYPE f [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "data",
    [
        feedback(record()).replace(b"<feedback>", BOMB + b"<feedback>"),
        gzip.compress(b"<feedback>" + b" " * (domain_reports.MOST_BYTES + 1)),
        zipped(b"<feedback>" + b" " * (domain_reports.MOST_BYTES + 1)),
        feedback("<a>" * 20 + "</a>" * 20),
        feedback(*[record()] * 3).replace(b"</feedback>", b""),
        feedback(record(count=-1)),
        feedback(record("everywhere")),
        feedback(record()).replace(b"<domain>lantern.example</domain><adkim>", b"<domain></domain><adkim>"),
        b'{"report-id": "1", "policies": [{"policy": null}]}',
        b'{"report-id": "1", "policies": ' + b"[" * 100_000,
        feedback(record()).replace(b"UTF-8", b"x-none"),
        feedback(record()).replace(b"<org_name>", b"<org_name>&#xD800;"),
        feedback(record()).replace(b"<begin>1795996800", b"<begin>1099511627776"),
        json.dumps(TLS).replace("2026-11-30T00:00:00Z", "0001-01-01T00:00:00+14:00").encode(),
        b"PK\x03\x04" + b"x" * 50,
        b"\x1f\x8b" + b"x" * 50,
        b"",
    ],
    ids=[
        "entities", "gzip bomb", "zip bomb", "levels", "cut off", "below zero", "no address", "no domain", "no policy",
        "brackets", "no encoding", "half a character", "year 36812", "year 0", "no zip", "no gzip", "nothing",
    ],
)  # fmt: skip
def test_a_report_that_is_none_or_too_much_is_left(data: bytes) -> None:
    report = read(data)
    assert report == "unreadable" or not data or (isinstance(report, DomainReport) and not report.domain)


def test_thousands_of_sources_become_two_hundred_and_the_others() -> None:
    records = [record(f"10.{n // 250}.{n % 250}.1", 1, "fail", "fail", "") for n in range(1000)]
    report = read(gzip.compress(feedback(*records)))
    assert isinstance(report, DomainReport) and len(report.tallies) == domain_reports.MOST_SOURCES + 1
    assert report.tallies[-1] == ReportTally("", "", "fail", 800)
