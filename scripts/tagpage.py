"""docs/merge-tags.md: what a letter can say of its reader, with the tables as the code has them."""

from samizdat.core.content import merge, mergetable
from samizdat.core.content.phrases import known

_LEAD = """# Merge tags

What a letter says of its reader, its list or itself. Tables printed from the code by `scripts/docs.py`.

Two spellings, and both work everywhere: in the subject, the preheader, the text, the address of a link, a
description, a template. Ours is `{{ FNAME }}`; Mailchimp's is `*|FNAME|*`, so that a letter from there goes on
working.

```
Dear {{ FNAME | default: "friend" }},

{% if CITY == "Riga" %}we meet in the library.{% else %}you can listen in: https://lantern.example/live{% endif %}
{% if tagged "Volunteer" %}Bring the boxes, please.{% endif %}
```

"""

_FIELDS = """
## Fields

`FNAME` stands for the tag of any field under *Fields*; small letters do as well. Who has no value reads the field's
own default, or what `default:` says. Beside the letter stands how many of the chosen audience have none, and what
they will read.

Of a value the text and the subject say one line of at most 100 characters that holds no link; whoever has another value
reads the default. An import or one teammate writes into a field what no second person reads, so a value says a name, a
town or an amount, and nothing that leads somewhere. An address in a field stands where the letter uses it as one:
`[Your page]({{ SITE }})`. Conditions go by the value itself.

A field of the kind *date* is kept as `2026-11-25`. `| date: "j F"` says it in the language of the letter: *25
November*, *25 ноября*, *25 novembre*. The letters are PHP's, as in Mailchimp's `*|DATE:…|*`: `j` day, `d` day in two
digits, `F` month, `M` its first three letters, `m` in digits, `Y` year, `y` its last two, `l` day of the week; a
backslash keeps the next letter as it is. Where a campaign has versions in several languages, the language of the
version is that of its readers. Known are %(languages)s; what the others say is in
[Words of letters](languages.md).

## Conditions

They compare one field with one value and may nest (%(deep)s deep). An email has up to %(most)s
different ones, all versions together. There is no *and* and no *or*: put one inside the
other, or take `elif`. Order (`<`, `>=`) is that of numbers; what is no number is never before or after anything.
`ELSEIF` and `ELSE` work as in Mailchimp, and conditions in comments, `<!-- *|IFNOT:ARCHIVE_PAGE|* -->`, take the
comment with them.

Interest groups of Mailchimp come in as tags of subscribers, `Topics: Law`. `*|INTERESTED:Topics:Law,Water|*` asks
whether they carry one of them, `{% if tagged "Topics: Law" %}` for one tag by its whole name. Upper and lower case
are alike. A letter goes by the tags of its release, whoever is given one later; tests and previews go by those of the
moment.

## Only inside Mailchimp

These are flaws with a hint; a button takes them out, with the link around them. Nothing that looks like a tag ever
goes out raw.

"""

_END = """
`*|HTML:FIELD|*` is the field, escaped: what readers typed never becomes HTML. `MMERGE3` is the third field of a
Mailchimp list; an import gives fields names, and the check says which there are. For programs:
`campaigns/<number>/tags` at the desk gives all tags of an organization as JSON (`tag`, `mailchimp`, `label`, `group`,
`default`).
"""


def merge_tags() -> str:
    languages = ", ".join(f"`{sign}`" for sign in known())
    fields = _FIELDS.replace("%(languages)s", languages).replace("%(deep)s", str(merge.MAX_DEPTH))
    fields = fields.replace("%(most)s", str(merge.MOST_CONDITIONS))
    return _LEAD + "\n".join(mergetable.lines()) + "\n" + fields + "\n".join(mergetable.gone_lines()) + "\n" + _END
