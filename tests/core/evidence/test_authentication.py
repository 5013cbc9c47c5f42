"""Who sent an email, as the server of the mailbox says it."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from samizdat.core.evidence.authentication import covers, read

GMAIL = (
    "mx.google.com; dkim=pass header.i=@mailchimp.com header.s=k1 header.b=ab+c=; spf=pass (google.com: domain of "
    "bounce@mcsv.net designates 198.51.100.7 as permitted sender) smtp.mailfrom=bounce@mcsv.net; dmarc=pass (p=REJECT "
    "sp=REJECT dis=NONE) header.from=mailchimp.com"
)
MICROSOFT = (
    "spf=pass (sender IP is 198.51.100.7) smtp.mailfrom=mcsv.net; dkim=pass (signature was verified) "
    "header.d=mailchimp.com;dmarc=pass action=none header.from=mailchimp.com;compauth=pass reason=100"
)


def test_a_server_says_who_it_is_and_whose_signature_is_right() -> None:
    assert read(GMAIL) == ("mx.google.com", ("mailchimp.com",))
    assert read(MICROSOFT) == ("", ("mailchimp.com",))
    assert read("mx.example.org 1; none") == ("mx.example.org", ())
    assert read("") == (None, ())


@pytest.mark.parametrize(
    "results",
    [
        "dkim=fail header.d=mailchimp.com",
        "dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=x@mailchimp.com",
        "dkim=pass header.d=evil.example; dmarc=fail header.from=mailchimp.com",
        'spf=pass smtp.mailfrom="x; dkim=pass header.d=mailchimp.com"@evil.example',
        'spf=pass smtp.mailfrom="x\\"; dkim=pass header.d=mailchimp.com"@evil.example',
        "spf=fail (x; dkim=pass header.d=mailchimp.com) smtp.mailfrom=evil.example",
        "spf=fail (x \\) ; dkim=pass header.d=mailchimp.com ; ) smtp.mailfrom=evil.example",
        "spf=fail (x (y) ; dkim=pass header.d=mailchimp.com ; ) smtp.mailfrom=evil.example",
        "spf=fail (never closed; dkim=pass header.d=mailchimp.com",
        "x-dkim=pass header.d=mailchimp.com",
        "dkim=pass xheader.d=mailchimp.com",
        "dkim=pass header.d=mailchimp.com.evil.example",
        "dkim=pass header.d=com",
        "dkim=neutral reason=dkim=pass header.d=mailchimp.com",
    ],
)
def test_nothing_that_a_sender_chose_is_a_signature(results: str) -> None:
    named = read(f"mx.example.org; {results}")
    assert not covers(named.domains, "mailchimp.com")


def test_a_quotation_mark_in_a_comment_begins_no_quotation() -> None:
    assert read('mx.example.org; spf=none (says "hm) ; dkim=pass header.d=mailchimp.com').domains == ("mailchimp.com",)


def test_a_domain_covers_those_below_it_and_no_other() -> None:
    assert covers(("mailchimp.com",), "mail.mailchimp.com")
    assert not covers(("mailchimp.com",), "notmailchimp.com")
    assert not covers(("mail.mailchimp.com",), "mailchimp.com")


@given(some.text(alphabet='();="\\ .@abdikmpst', max_size=200))
def test_any_header_is_read(header: str) -> None:
    named = read(header)
    assert (named.server is None) == (not header.strip())


@given(some.text(alphabet="();=. @abdikmpst", max_size=80))
def test_what_is_quoted_is_never_read(chosen: str) -> None:
    quoted = f'mx.example.org; spf=pass smtp.mailfrom="{chosen} dkim=pass header.d=a.example"@evil.example'
    assert read(quoted) == ("mx.example.org", ())
