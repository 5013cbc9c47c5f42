"""What is said of a file that is taken in, and why one is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from samizdat.core.content.problems import fill

SENTENCES: dict[str, str] = {
    "template_file": "The file has %(size)s bytes; %(limit)s is the most. Save the template without pictures inside.",
    "template_long": "The template has %(size)s characters; %(limit)s is the most. Take parts of it out.",
    "template_deep": "The template is nested more than %(limit)s deep. Save it again without the surrounding tables.",
    "template_no_html": "This is no page of HTML. Choose the file that the other service exports.",
    "template_empty": "The file is empty. Export or download it again.",
    "template_not_zip": "The name of the file ends in .zip, but it is no zip file. Export or download it again.",
    "template_zip_large": "The zip file is larger than %(limit)s MB. Make its pictures smaller and import it again.",
    "template_zip_many": "The zip file holds more than %(limit)s files. Keep the page and its pictures, and zip them "
    "again.",
    "template_zip_torn": "The zip file is damaged. Export or download it again.",
    "template_zip_locked": "The zip file is locked with a password. Unpack it and zip it again without one.",
    "template_zip_bomb": "%(name)s in the zip file is too large when unpacked. Make it smaller and zip it again.",
    "template_zip_no_page": "There is no HTML page in the zip file. Export the template as HTML with pictures.",
    "template_zip_elsewhere": "The page in the zip file (%(names)s) is a link, or its path leads out of the zip file. "
    "Zip the page and its pictures again.",
    "template_zip_pages": "The zip file has several HTML pages (%(names)s). Keep one of them, or name it index.html.",
    # what was done
    "note_pictures": "Pictures added to Media, without their metadata: %(count)s.",
    "note_picture_refused": "The picture %(name)s was not added. %(reason)s",
    "note_picture_many": "A template brings %(limit)s pictures at most. These were not added: %(names)s.",
    "note_taken_out": "%(what)s cannot be in a letter: %(count)s taken out.",
    "note_pixel": "Pictures of one pixel, which count readers or hold tables apart: %(count)s taken out.",
    "note_data": "Pictures inside of the file itself, which mail programs do not show: %(count)s taken out.",
    "note_remote": "Fonts and styles that are fetched from elsewhere: %(count)s taken out.",
    "note_unread": "Characters that could not be read: %(count)s. Look at the text; the file is no proper UTF-8.",
    "note_repeat": "Parts that a letter can repeat, move and remove: %(count)s.",
    "note_more": "The part with the text of the campaign stays in its place; more of its kind can be added after it.",
    "note_hide": "Parts that a letter can leave out: %(count)s.",
    "note_fixed": "Parts that Mailchimp can hide are always shown, since the text of the campaign is inside of them: "
    "%(count)s.",
    "note_designer": "Marks for Mailchimp's designer (%(names)s) say nothing here and are taken out.",
    "note_tags": "Merge tags that work only inside Mailchimp are taken out with their links: %(names)s.",
    "note_preview": "The hidden preview text of the template (“%(words)s”) is replaced by that of each campaign.",
    "note_no_picture": "Pictures that are missing: %(names)s. Import the template as a zip file with its pictures.",
    "note_not_in_zip": "Pictures that are not in the zip file: %(names)s. Add them to it and import it again.",
    "note_links": "Links that lead nowhere, or unsubscribe from another service: %(names)s. Correct them in the file "
    "and import it again, or in each campaign.",
    "note_place": "Letters are written where these words stood: “%(words)s”.",
    "note_guess": "The file does not say where the letter goes. Its longest part was taken, and its "
    "other texts and pictures can be changed in each letter; look at the preview.",
}


class TemplateRefused(ValueError):
    """`code` of SENTENCES and its `values`, by name or as one mapping."""

    def __init__(self, code: str, details: Mapping[str, str] | None = None, /, **values: str) -> None:
        self.code, self.values = code, {**(details or {}), **values}
        super().__init__(code, self.values)

    def __str__(self) -> str:
        return fill(SENTENCES[self.code], self.values)


@dataclass(frozen=True, slots=True)
class Note:
    code: str
    values: Mapping[str, str] = field(default_factory=dict)


def naming(code: str, names: list[str]) -> list[Note]:
    """A note that lists names, or none where there are none."""
    return [Note(code, {"names": ", ".join(names)[:200]})] if names else []
