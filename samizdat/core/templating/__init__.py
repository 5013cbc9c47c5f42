"""A foreign template becomes one of ours: Mailchimp's, or any page of HTML.

The part that letters are written into becomes {{ content }}; what stood there is kept as a sample. Other parts that
Mailchimp lets a letter fill, repeat or leave out stay so, between comments that name them (arranging.py). Nothing is
taken out without a note, and every merge tag is accounted for.
"""

from samizdat.core.templating.arranging import Arrangement, Written, arranged
from samizdat.core.templating.blocks import dress_of
from samizdat.core.templating.notes import SENTENCES, Note, TemplateRefused
from samizdat.core.templating.packed import MAX_ZIP
from samizdat.core.templating.taking import MAX_FILE, Taken, Told, take

__all__ = [
    "MAX_FILE",
    "MAX_ZIP",
    "SENTENCES",
    "Arrangement",
    "Note",
    "Taken",
    "TemplateRefused",
    "Told",
    "Written",
    "arranged",
    "dress_of",
    "take",
]
