"""What the block editor's scripts say (static/js/editor), in the language of whoever writes."""

import json

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from samizdat.core.content.checks.first_words import samples
from samizdat.core.content.theme import FONTS, Theme
from samizdat.core.languages import direction


def words(language: str = "en") -> str:
    """JSON for the page: name -> sentence. %(kind)s and such are filled in by the script. language: of the email."""
    blocks = _blocks(rtl=direction(language) == "rtl")
    return json.dumps(_kinds() | _tools() | _added() | _panels() | blocks | _sentences(), ensure_ascii=False)


def _kinds() -> dict[str, str]:
    return {
        "kind-heading": _("Heading"),
        "kind-paragraph": pgettext("block", "Text"),
        "kind-picture": _("Image"),
        "kind-button": _("Button"),
        "kind-bulletList": pgettext("block", "List"),
        "kind-orderedList": _("Numbered list"),
        "kind-blockquote": _("Quote"),
        "kind-callout": _("Callout"),
        "kind-columns": _("Columns"),
        "kind-columns3": _("Three columns"),
        "kind-donation": _("Donation"),
        "kind-event": pgettext("block", "Event"),
        "kind-question": _("Question"),
        "kind-video": _("Video"),
        "kind-social": _("Social links"),
        "kind-divider": pgettext("block", "Divider"),
        "kind-html": "HTML",
        "kind-footer": _("Footer"),
        "tone-note": _("Callout: note"),
        "tone-warn": _("Callout: warning"),
        "tone-good": _("Callout: good news"),
    }


def _tools() -> dict[str, str]:
    return {
        "tools": _("Block tools: %(kind)s"),
        "tool-add": _("Add a block above"),
        "tool-up": _("Move up"),
        "tool-down": _("Move down"),
        "more": pgettext("tool", "More"),
        "more-numbers": _("Numbered list"),
        "more-deeper": _("Indent"),
        "more-higher": _("Outdent"),
        "more-color": _("Remove color"),
        "more-undo": _("Undo"),
        "more-redo": _("Redo"),
        "more-copy": _("Duplicate"),
        "more-column": _("Move to the next column"),
        "more-around": _("Select the columns"),
        "more-comment": _("Add comment"),
        "more-remove": _("Delete block"),
        "drag": _("Drag to move"),
        "add": _("Add a block"),
        "close": pgettext("window", "Close"),
        "add-after": _("Add a block below"),
        "shape": _("Text or heading"),
        "tone": _("Callout type"),
        "format-bold": _("Bold"),
        "format-italic": _("Italic"),
        "format-link": _("Link"),
        "format-list": _("Bulleted list"),
        "format-quote": _("Quote"),
        "format-field": _("Insert merge tag"),
        "sign-link": _("Link"),
        "sign-list": pgettext("block", "List"),
        "sign-quote": _("Quote"),
        "sign-remove": pgettext("tool", "delete"),
    }


def _added() -> dict[str, str]:
    """What each kind of block is for, where one is chosen."""
    return {
        "about-paragraph": _("Paragraphs and links"),
        "about-heading": _("Large or small"),
        "about-picture": _("Upload or from Media"),
        "about-button": _("One clear link"),
        "about-bulletList": _("With bullets"),
        "about-orderedList": _("In order"),
        "about-blockquote": _("Somebody’s words"),
        "about-callout": _("A short warning or note"),
        "about-columns": _("Two, side by side"),
        "about-columns3": _("Side by side"),
        "about-donation": _("Amounts and button"),
        "about-event": _("When and where"),
        "about-question": _("With answers to choose"),
        "about-video": _("A still that links to it"),
        "about-social": _("Your other channels"),
        "about-divider": _("A dashed line"),
        "about-html": _("Your own source"),
        "about-footer": _("Small print at the end"),
    }


def _panels() -> dict[str, str]:
    """What links, fields and pictures are asked for."""
    return {
        "letter": _("Email"),
        "link-to": _("Link address"),
        "link-set": _("Add link"),
        "link-off": _("Remove link"),
        "link-empty": _("Paste the link address."),
        "link-refused": _("A link must be an https, mailto or tel address. Paste one of those."),
        "field-tag": _("Merge tag"),
        "group-field": _("Subscriber fields"),
        "group-condition": _("Conditions"),
        "group-other": _("About the campaign and the list"),
        "field-else": _("Fallback"),
        "field-insert": _("Insert"),
        "picture-src": _("Image"),
        "picture-find": _("Find an image"),
        "picture-none": _("No image selected"),
        "picture-other": _("an image from Media"),
        "picture-address": _("another address …"),
        "picture-where": _("Image address"),
        "picture-upload": _("Upload image"),
        "alt-is": _("Alt text: %(alt)s"),
        "alt-missing": _("No alt text yet"),
        "give": _("How to donate"),
        "picture-coming": _("Uploading. You can keep writing."),
        "picture-foreign": _("Image from %(host)s, not loaded here"),
        "picture-alt": _("Alt text: describe the image"),
        "picture-decorative": _("Decorative image"),
        "picture-link": _("Link"),
        "picture-width": _("Width in pixels"),
        "picture-width-hint": _("Leave empty for full width."),
    }


def _blocks(*, rtl: bool) -> dict[str, str]:
    """What the blocks without text of their own are asked for. rtl: whether the email is written from right to left."""
    return {
        "button-text": _("Text"),
        "button-link": _("Address"),
        "button-align": _("Alignment"),
        "align-start": _("Right") if rtl else _("Left"),
        "align-center": _("Center"),
        "social-links": _("Social links"),
        "social-add": _("Add a link"),
        "social-network": _("Network for link %(number)s"),
        "social-url": _("Address of link %(number)s"),
        "social-remove": _("Remove link %(number)s"),
        "website": _("Website"),
        "donation-title": _("Title"),
        "donation-text": _("What it’s for"),
        "donation-link": _("Donation page address"),
        "donation-label": _("Button text"),
        "donation-amounts": _("Amounts"),
        "donation-amounts-hint": _("Separate with commas, like 10 €, 25 €, 50 €."),
        "donation-fundraiser": _("Fundraiser"),
        "donation-hint": _("The warning to donors is shown above the amounts and can’t be removed."),
        "event-title": _("Event name"),
        "event-start": _("Begins"),
        "event-end": _("Ends"),
        "event-place": _("Place"),
        "event-link": _("Link"),
        "event-about": _("About the event"),
        "question-question": _("Your question"),
        "question-answers": _("Answers"),
        "question-answers-hint": _("One per line, two to six."),
        "question-hint": _("Each answer is a link. We count how often each was chosen, never by whom."),
        "video-link": _("Video address"),
        "video-alt": _("Alt text: describe the still"),
        "html-source": _("HTML source"),
        "html-hint": _("Scripts, forms and frames are removed when the email is created."),
    }


def _sentences() -> dict[str, str]:
    return {
        "added": _("Added: %(kind)s."),
        "moved": _("%(kind)s is now block %(place)s of %(count)s."),
        "moved-column": _("%(kind)s is now block %(place)s of %(count)s in column %(column)s."),
        "no-column": _("No columns next to it to move into: %(kind)s."),
        "is-first": _("%(kind)s is already the first block."),
        "is-last": _("%(kind)s is already the last block."),
        "copied": _("Duplicated: %(kind)s."),
        "removed": _("%(kind)s deleted. You can undo this."),
        "at": _("Current block: %(kind)s."),
        "slash-open": _("%(count)s options. Arrow keys choose, Enter inserts, Escape closes."),
        "too-much": _("That’s too long to paste at once. Paste it in parts."),
        "drop-files": _("Files can’t be dropped here. Add an image block and upload the file there."),
        "not-uploaded": _("The image wasn’t uploaded. Check your connection and choose it again."),
        "saves-itself": _("Saves while you type."),
        "saving": _("Saving…"),
        "signed-out": _(
            "Not saved: you’re signed out. Keep this page open and sign in again in another tab; then your text is"
            " saved from here."
        ),
        "look-paused": _("The preview is paused because you’re signed out. Sign in again in another tab to continue."),
        "no-line": _("Not saved: no connection. Keep this page open; we keep trying."),
        "unsaved-server": _("Not saved: the server has a problem. Keep this page open; we keep trying."),
        "unsaved-role": _("Not saved: you can no longer edit here. Copy your text before you close this page."),
        "unsaved-gone": _("Not saved: this draft was deleted. Copy your text before you close this page."),
        "unsaved-long": _("Not saved: the text is too long to send. Shorten it."),
        "unsaved-press": _("Not saved yet. Press Save."),
        "save-first": _("Save the campaign first; then you can comment on blocks."),
    }


# Counts whose plural forms stand for all that there are: CLDR calls them so, and so does the browser.
_PLURALS = {"one": 1, "few": 2, "many": 5, "other": 5}


def counted(subject: str) -> dict[str, str]:
    """How long a subject is, in words, and the same for any other number while it is typed."""

    def form(count: int) -> str:
        return ngettext("%(n)s character", "%(n)s characters", count)

    return {
        "words": form(len(subject)) % {"n": len(subject)},
        "forms": json.dumps({name: form(count) for name, count in _PLURALS.items()}, ensure_ascii=False),
    }


def look(theme: Theme) -> str:
    """JSON for the page: what the letter looks like in our own template, as values of CSS. In the dark a letter has the
    colors that its template gives it there, which are those of this page.
    """
    return json.dumps(
        {
            "text": f"light-dark({theme.text}, var(--ink))",
            "paper": f"light-dark({theme.paper}, var(--sheet))",
            "link": f"light-dark({theme.link}, {theme.link_in_dark})",
            "button": f"light-dark({theme.button}, var(--ink))",
            "on-button": f"light-dark({theme.on_button}, var(--sheet))",
            "font": FONTS[theme.text_font],
            "heading": FONTS[theme.heading_font],
        }
    )


def facts(offered: list[dict[str, str]], language: str, body: str = "") -> dict[str, str]:
    """What the editor's element carries besides."""
    texts = {"fields": offered, "samples": samples(body)}
    return {"words": words(language)} | {name: json.dumps(value, ensure_ascii=False) for name, value in texts.items()}
