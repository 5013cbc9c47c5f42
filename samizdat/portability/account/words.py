"""What stays out of an account's export, in words: said before anything is written."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.core.account_export import LeftBehind

# Kind of LeftKind -> what it is, and why it stays out.
LEFT = {
    "activity": lazy("Reports on who opened, clicked or bounced (%(n)s): Samizdat doesn’t store what people read."),
    "places": lazy("Places where emails were opened (%(n)s): Samizdat doesn’t store locations."),
    "surveys": lazy("Surveys and their answers (%(n)s): Samizdat has no surveys."),
    "events": lazy("Events of subscribers (%(n)s): Samizdat doesn’t store what people do."),
    "texts": lazy("Plain-text versions of campaigns (%(n)s): they are made from the HTML."),
    "unmatched": lazy(
        "Lines of the table of campaigns whose text isn’t in the export or can’t be told from others (%(n)s)."
    ),
    "other_files": lazy("Files that aren’t PNG, JPEG, GIF or WebP images (%(n)s)."),
    "large": lazy("Files above 5 MB for a page and 10 MB for an image (%(n)s)."),
    "unreadable": lazy("Tables that can’t be read (%(n)s)."),
    "other": lazy("Other files (%(n)s)."),
    "missing": lazy("What the service didn’t hand over when it was copied (%(n)s)."),
    "uncopied": lazy("What the service’s interface doesn’t give (%(n)s)."),
}


def left_sentence(left: LeftBehind) -> str:
    """With the names of some."""
    sentence = str(LEFT[left.kind]) % {"n": f"{left.count:,}"}
    names = ", ".join(left.names) + (" …" if left.count > len(left.names) else "")
    return _("%(what)s These are: %(names)s") % {"what": sentence, "names": names} if left.names else sentence
