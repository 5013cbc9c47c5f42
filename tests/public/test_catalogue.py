"""Everything a reader may see is there in Russian."""

import gettext
import re
from pathlib import Path

import samizdat.public

HERE = Path(samizdat.public.__file__).parent
CATALOGUE = HERE / "locale/ru/LC_MESSAGES/django.po"


def known() -> dict[str, str]:
    pairs = re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', CATALOGUE.read_text("utf-8"), re.MULTILINE)
    return dict(pairs)


def used() -> set[str]:
    found: set[str] = set()
    for template in HERE.glob("templates/public/*.html"):
        text = template.read_text("utf-8")
        found |= set(re.findall(r'{% translate "(.+?)" %}', text))
        for block in re.findall(r"{% blocktranslate.*?%}(.*?){% endblocktranslate %}", text, re.DOTALL):
            found.add(re.sub(r"{{ (\w+) }}", r"%(\1)s", block))
    for module in HERE.glob("*.py"):
        for strings in re.findall(r'\b_\(\s*((?:"[^"\n]+"\s*)+),?\s*\)', module.read_text("utf-8")):
            found.add("".join(re.findall(r'"([^"\n]+)"', strings)))
    return found


def test_every_sentence_is_translated_and_no_translation_is_left_over() -> None:
    assert used() == set(known())
    assert len(used()) > 25


def test_the_compiled_catalogue_is_that_of_the_text() -> None:
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for sentence, russian in known().items():
        assert compiled.gettext(sentence) == russian
