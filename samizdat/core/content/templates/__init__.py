"""A foreign template becomes one of ours: Mailchimp's, or any page of HTML.

The part that letters are written into becomes {{ content }}; what stood there is kept as a sample. Other parts that
Mailchimp lets a letter fill, repeat or leave out stay so, between comments that name them (layout_store.py). Nothing is
taken out without a note, and every merge tag is accounted for.
"""

from samizdat.core.content.templates.blocks import dress_of
from samizdat.core.content.templates.import_template import MAX_FILE, ImportedTemplate, TagNote, take
from samizdat.core.content.templates.layout import LayoutChanges, LayoutTooLong, WrittenRegion, arranged, insist_on_size
from samizdat.core.content.templates.notes import SENTENCES, Note, TemplateRefused
from samizdat.core.content.templates.template_zip import MAX_ZIP

__all__ = [
    "MAX_FILE",
    "MAX_ZIP",
    "SENTENCES",
    "ImportedTemplate",
    "LayoutChanges",
    "LayoutTooLong",
    "Note",
    "TagNote",
    "TemplateRefused",
    "WrittenRegion",
    "arranged",
    "dress_of",
    "insist_on_size",
    "take",
]
