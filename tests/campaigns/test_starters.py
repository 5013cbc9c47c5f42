"""The letters to begin with, filled in: what spam filters look at."""

import json
import re
from collections import Counter
from email import message_from_bytes, policy
from typing import Any

import pytest

from samizdat.campaigns.templates.starter_templates import NAMES, body_of
from samizdat.core.content.compile import compile_letter
from samizdat.core.content.message import make_out
from tests.campaigns.filled_starters import LINK, filled_in
from tests.core.test_compile import NOW, VALUES, content


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("link", ["", LINK, "https://elsewhere.example/"])
def test_each_link_stands_in_the_text_as_often_as_in_the_html(name: str, language: str, link: str) -> None:
    """rspamd takes an odd number of links in both together for spam (URI_COUNT_ODD in its rules/misc.lua)."""
    body = json.dumps(filled_in(json.loads(body_of(name, language)), link))
    proof = compile_letter(content(body=body, format="blocks"), now=NOW, boundary="abcdefgh1234")
    assert proof.compiled is not None, proof.flaws
    message: Any = message_from_bytes(make_out(proof.compiled, VALUES), policy=policy.default)
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    in_html = [each.replace("&amp;", "&") for each in re.findall(r'(?:href|src)="([^"]+)"', html)]
    assert Counter(re.findall(r"<(https?://[^\s>]+)>", text)) == Counter(in_html)
    assert len(in_html) >= 3
