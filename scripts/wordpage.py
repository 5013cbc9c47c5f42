"""docs/languages.md: what letters say by themselves, with the words as the code has them."""

from datetime import datetime

from samizdat.core.content.phrases import NEXT, known, spoken
from samizdat.core.dates import moment

_LEAD = """# Languages of emails

Some text in an email isn't written by you: the unsubscribe link, the reason why somebody gets it, *Details* of an
event, the warning in a donation block, dates, the first line of a digest. The emails that Samizdat sends by itself
(confirm a sign-up, your data, erasing data, a change of address) consist only of such text. It is in the language of
the campaign, or of the subscriber. This page is printed from `samizdat/core/content/phrases/` by `scripts/docs.py`.

| code | language | date and time | unsubscribe link |
|---|---|---|---|
"""

_REST = """
The preview shows this text in each translation of a campaign. The pages behind the links (preferences, sign-up,
confirmation) are in English and Russian.

## Change the wording

Set `SAMIZDAT_WORDS` to a folder. Put one file per language there, named by its code, with only the texts that you
want to change:

```toml
# uk.toml
[frame]
less = "Писати рідше"

[block]
warning = "Якщо ви живете в Росії, не переказуйте нам гроші з російської картки."
```

- Tables and names are those of [en.toml](../samizdat/core/content/phrases/en.toml). Keep placeholders such as
  `%%(list)s`.
- The file is read when an email is made, so nothing has to be restarted. Campaigns that were already sent don't
  change.
- If a text can't be used (an unknown name, a missing placeholder), `samizdat doctor` reports it and emails use our
  wording.
- On PostgreSQL, put the folder on every machine that runs the app or a worker.
- Texts of a single organization (footer text, warning) are set under *Branding*, and the description of a list on its
  page.

## Which language is used

1. The language of the campaign, if we have texts for it. For an email that Samizdat sends to one subscriber: the
   subscriber's language, or else the organization's.
2. Its base language: `pt-br` uses `pt`.
3. The language that its speakers are most likely to read next: %(next)s.
4. English.

Text in another language than the campaign's gets its own `lang` and `dir`. So the full stop of an English sentence is
on its right even in an Urdu email, and a screen reader changes its voice. Texts that you write once for all languages
(footer text, warning, description of a list) take the direction of their first letter.

## Add a language

A language is one file in `samizdat/core/content/phrases/`. Copy `en.toml`, name it by the language code (ISO 639-1,
or else 639-3), and translate it.

- `whole` and `moment` are the formats of a date and of a date with time, in [PHP's letters](merge-tags.md#fields). A
  backslash keeps a letter as it is.
- `months` are in the form used after the day number. `days` start with Monday. `short_months`, `short_days` and
  `digits` are optional.
- Address people politely and, if the language allows it, in a form that includes everyone. Put names of lists in
  quotation marks so that they aren't inflected.
- A test reports what is missing.

A translation that no native speaker has read is worse than another language that your subscribers know. Have a native
speaker read it, then send us the file.
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
