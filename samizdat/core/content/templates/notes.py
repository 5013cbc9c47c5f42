"""What is said of a file that is taken in, and why one is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from samizdat.core.content.problems import fill

SENTENCES: dict[str, str] = {
    "template_file": "The file has %(size)s bytes; the limit is %(limit)s. Save the template without embedded images.",
    "template_long": "The template has %(size)s characters; the limit is %(limit)s. Remove parts of it.",
    "template_deep": "The template is nested more than %(limit)s levels deep. Save it again without the "
    "surrounding tables.",
    "template_no_html": "This isn’t an HTML page. Choose the file that the other service exports.",
    "template_empty": "The file is empty. Export or download it again.",
    "template_not_zip": "The file name ends in .zip, but the file isn’t a zip file. Export or download it again.",
    "template_zip_large": "The zip file is larger than %(limit)s MB. Make its images smaller and import it again.",
    "template_zip_many": "The zip file contains more than %(limit)s files. Keep the page and its images, and zip "
    "them again.",
    "template_zip_torn": "The zip file is damaged. Export or download it again.",
    "template_zip_locked": "The zip file is password-protected. Unpack it and zip it again without a password.",
    "template_zip_bomb": "%(name)s in the zip file is too large when unpacked. Make it smaller and zip it again.",
    "template_zip_no_page": "The zip file contains no HTML page. Export the template as HTML with images.",
    "template_zip_elsewhere": "The page in the zip file (%(names)s) is a link, or its path leads out of the zip "
    "file. Zip the page and its images again.",
    "template_zip_pages": "The zip file has several HTML pages (%(names)s). Keep one of them, or name it index.html.",
    # what was done
    "note_pictures": "Images added to Media, without their metadata: %(count)s.",
    "note_picture_refused": "The image %(name)s wasn’t added. %(reason)s",
    "note_picture_many": "A template can bring at most %(limit)s images. These weren’t added: %(names)s.",
    "note_taken_out": "%(what)s can’t be used in an email: %(count)s removed.",
    "note_pixel": "One-pixel images that track opens or space out tables: %(count)s removed.",
    "note_data": "Images inside the file itself, which mail apps don’t show: %(count)s removed.",
    "note_remote": "Fonts and styles loaded from other sites: %(count)s removed.",
    "note_unread": "Characters that couldn’t be read: %(count)s. Check the text: the file isn’t correct UTF-8.",
    "note_repeat": "Blocks that a campaign can repeat, move and delete: %(count)s.",
    "note_more": "The block with the campaign text stays in its place; you can add more blocks like it after it.",
    "note_hide": "Blocks that a campaign can hide: %(count)s.",
    "note_fixed": "Blocks that Mailchimp can hide are always shown, because the campaign text is inside them: "
    "%(count)s.",
    "note_designer": "Markers for Mailchimp’s designer (%(names)s) have no effect here and were removed.",
    "note_tags": "Merge tags that work only in Mailchimp were removed with their links: %(names)s.",
    "note_preview": "The template’s hidden preview text (“%(words)s”) is replaced by that of each campaign.",
    "note_no_picture": "Missing images: %(names)s. Import the template as a zip file with its images.",
    "note_not_in_zip": "Images missing from the zip file: %(names)s. Add them and import the zip file again.",
    "note_links": "Links without an address, or that unsubscribe from another service: %(names)s. Correct them in "
    "the file and import it again, or correct them in each campaign.",
    "note_place": "The campaign text replaces these words: “%(words)s”.",
    "note_guess": "The file doesn’t say where the campaign text goes, so we used its longest part. You can change "
    "its other texts and images in each campaign. Check the preview.",
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
