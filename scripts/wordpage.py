"""docs/languages.md: what letters say by themselves, with the words as the code has them."""

from datetime import datetime

from samizdat.core.content.phrases import NEXT, known, spoken
from samizdat.core.dates import moment

_LEAD = """# Words of letters

Some words stand in a letter although nobody wrote them: the way out under it, why somebody gets it, *Details* of an
event, the warning in a block for donations, the day, the first line of a digest. Mails of the house to one reader
(a sign-up to confirm, her data, her erasing, another mailbox) are nothing but such words. They are said in the
language of the letter, or of the reader. Printed from `samizdat/core/content/phrases/` by `scripts/docs.py`.

| sign | language | a moment | the way out |
|---|---|---|---|
"""

_REST = """
The preview shows all of them, in each version of a letter. The pages behind the links (settings, sign-up,
confirming) speak English and Russian.

## Which language is said

1. That of the letter, where there are words for it. A mail to one reader: hers, else that of the organization.
2. Its base: `pt-br` says what `pt` says.
3. That which its readers read next: %(next)s.
4. English.

What is said in another language than the letter's carries its own `lang` and `dir`: so the full stop of an English
sentence stands on its right also in an Urdu letter, and a screen reader changes its voice. The same holds for what
you wrote once for letters of all languages: your words at the foot, the warning and the description of a list run
the way of their first letter.

## A word of your own

Set `SAMIZDAT_WORDS` to a folder, and put a file there for each language, named by its sign, with the words that you
say otherwise and no others:

```toml
# uk.toml
[frame]
less = "Писати рідше"

[block]
warning = "Якщо ви живете в Росії, не переказуйте нам гроші з російської картки."
```

Tables and names are those of [en.toml](../samizdat/core/content/phrases/en.toml). A hole such as `%%(list)s` stays as
it is. The file is read when a letter is made, so nothing is started anew; letters that went out do not change. Whatever
cannot be said (a name that is unknown, a hole that is missing) is named by `samizdat doctor`, and letters say our
word. On PostgreSQL put the folder on every machine that has the desk or a worker. Words of one organization alone
stand under *Settings*, *How letters look* (the foot, the warning) and in the description of a list.

## A language

A language is one file in `samizdat/core/content/phrases/`: copy `en.toml`, name it by the sign of the language (ISO
639-1, else 639-3), and translate. `whole` and `moment` are a day and a point in time by [PHP's
letters](merge-tags.md#fields), where a backslash keeps a letter as it is; `months` stand as they do after the
number of the day; `days` begin with Monday; `short_months`, `short_days` and `digits` may be left out. Speak to
readers politely and, where your language allows it, in a form that is for everybody; hold back names of lists from
inflection by quotation marks. A test says what is missing. Words that nobody who grew up with the language has read
are worse than those of a language that readers know as well: have them read, then send us the file.
"""


def languages() -> str:
    example = datetime(2026, 11, 25, 19, 0)
    rows = [
        f"| `{sign}` | {spoken(sign).name} | {moment(example, sign)} | {spoken(sign).words['frame.leave']} |"
        for sign in known()
    ]
    followed = {name: [code for code, other in NEXT.items() if other == name] for name in dict.fromkeys(NEXT.values())}
    said = "; ".join(f"`{name}` for {', '.join(f'`{one}`' for one in codes)}" for name, codes in followed.items())
    return _LEAD + "\n".join(rows) + "\n" + _REST.replace("%(next)s", said).replace("%%", "%")
