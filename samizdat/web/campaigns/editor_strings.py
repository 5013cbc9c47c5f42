"""What the block editor's scripts say (static/js/editor), in the language of whoever writes."""

import json

from django.utils.translation import gettext as _
from django.utils.translation import pgettext


def words() -> str:
    """JSON for the page: name -> sentence. %(kind)s and such are filled in by the script."""
    return json.dumps(_kinds() | _tools() | _panels() | _blocks() | _sentences(), ensure_ascii=False)


def _kinds() -> dict[str, str]:
    return {
        "kind-heading": _("Heading"),
        "kind-paragraph": pgettext("block", "Text"),
        "kind-picture": _("Picture"),
        "kind-button": _("Button"),
        "kind-bulletList": pgettext("block", "List"),
        "kind-orderedList": _("Numbered list"),
        "kind-blockquote": _("Quote"),
        "kind-callout": _("Call-out"),
        "kind-columns": _("Columns"),
        "kind-columns3": _("Three columns"),
        "kind-donation": _("Donation"),
        "kind-event": pgettext("block", "Event"),
        "kind-question": _("Question"),
        "kind-video": _("Video"),
        "kind-social": _("Social links"),
        "kind-divider": pgettext("block", "Line"),
        "kind-html": "HTML",
        "kind-footer": _("Footer"),
        "tone-note": _("Call-out, a note"),
        "tone-warn": _("Call-out, a warning"),
        "tone-good": _("Call-out, good news"),
    }


def _tools() -> dict[str, str]:
    return {
        "tools": _("What to do with: %(kind)s"),
        "tool-up": _("Move up: %(kind)s"),
        "tool-down": _("Move down: %(kind)s"),
        "tool-column": _("Into the next column, or out of the columns: %(kind)s"),
        "tool-copy": _("Copy: %(kind)s"),
        "tool-comment": _("Comment on: %(kind)s"),
        "tool-remove": _("Remove: %(kind)s"),
        "sign-column": pgettext("tool", "column"),
        "sign-copy": pgettext("tool", "copy"),
        "sign-comment": pgettext("tool", "comment"),
        "sign-remove": pgettext("tool", "remove"),
        "drag": _("Drag: %(kind)s"),
        "add": _("Add:"),
        "formats": _("Format of the text"),
        "shape": _("Text or heading"),
        "tone": _("Kind of call-out"),
        "format-bold": _("Bold"),
        "format-italic": _("Italic"),
        "format-link": _("Link"),
        "format-color": _("Take the color off"),
        "format-list": pgettext("block", "List"),
        "format-numbers": _("Numbered list"),
        "format-deeper": _("One level deeper"),
        "format-higher": _("One level higher"),
        "format-quote": _("Quote"),
        "format-field": _("Merge field"),
        "format-undo": _("Undo"),
        "format-redo": _("Redo"),
        "sign-link": pgettext("tool", "link"),
        "sign-color": pgettext("tool", "color off"),
        "sign-list": pgettext("tool", "list"),
        "sign-numbers": pgettext("tool", "1. 2."),
        "sign-deeper": "→",
        "sign-higher": "←",
        "sign-quote": pgettext("tool", "quote"),
        "sign-field": pgettext("tool", "field"),
        "sign-undo": "↶",
        "sign-redo": "↷",
    }


def _panels() -> dict[str, str]:
    """What links, fields and pictures are asked for."""
    return {
        "letter": _("Letter"),
        "link-to": _("Address of the link"),
        "link-set": _("Set the link"),
        "link-off": _("Take the link off"),
        "link-empty": _("Paste the address that the link leads to."),
        "link-refused": _("Links lead to https, mailto or tel addresses. Paste one of those."),
        "field-tag": _("Merge field"),
        "group-field": _("Fields of your readers"),
        "group-condition": _("Conditions"),
        "group-other": _("About the letter and the list"),
        "field-else": _("For whoever has none"),
        "field-insert": _("Put it in"),
        "picture-src": _("Picture"),
        "picture-find": _("Find a picture"),
        "picture-none": _("No picture chosen"),
        "picture-other": _("a picture of the library"),
        "picture-address": _("another address …"),
        "picture-where": _("Address of the picture"),
        "picture-upload": _("Bring in a new one"),
        "picture-coming": _("It is on its way. You can go on writing."),
        "picture-foreign": _("Picture from %(host)s, not fetched here"),
        "picture-alt": _("What does it show, for those who do not see it?"),
        "picture-decorative": _("It only decorates, and needs no words"),
        "picture-link": _("Leads to"),
        "picture-width": _("Width in pixels"),
        "picture-width-hint": _("Empty: as wide as the letter."),
    }


def _blocks() -> dict[str, str]:
    """What the blocks without text of their own are asked for."""
    return {
        "button-text": _("Words"),
        "button-link": _("Address"),
        "button-align": _("Stands"),
        "align-start": _("where a line begins"),
        "align-center": _("in the middle"),
        "social-links": _("Social links"),
        "social-add": _("Add a link"),
        "social-network": _("Network of link %(number)s"),
        "social-url": _("Address of link %(number)s"),
        "social-remove": _("Remove link %(number)s"),
        "website": _("Website"),
        "donation-title": _("Title"),
        "donation-text": _("What it is for"),
        "donation-link": _("Address of the page to give"),
        "donation-label": _("Words of the button"),
        "donation-amounts": _("Amounts"),
        "donation-amounts-hint": _("With commas between, like 10 €, 25 €, 50 €."),
        "donation-fundraiser": _("Fundraiser"),
        "donation-hint": _("The warning for givers stands above the amounts and cannot be taken out."),
        "event-title": _("Name of the event"),
        "event-start": _("Begins"),
        "event-end": _("Ends"),
        "event-place": _("Place"),
        "event-link": _("Leads to"),
        "event-about": _("About it"),
        "question-question": _("What do you ask?"),
        "question-answers": _("Answers"),
        "question-answers-hint": _("One in a line, two to six."),
        "question-hint": _("Each answer is a link. What is counted is how often it was given, never by whom."),
        "video-link": _("Address of the video"),
        "video-alt": _("What does the still show?"),
        "html-source": _("HTML source"),
        "html-hint": _("Scripts, forms and frames are taken out when the letter is made."),
    }


def _sentences() -> dict[str, str]:
    return {
        "added": _("Added: %(kind)s."),
        "moved": _("%(kind)s is block %(place)s of %(count)s now."),
        "moved-column": _("%(kind)s is block %(place)s of %(count)s in column %(column)s now."),
        "no-column": _("There are no columns beside it to move into: %(kind)s."),
        "is-first": _("%(kind)s is the first block already."),
        "is-last": _("%(kind)s is the last block already."),
        "copied": _("Copied: %(kind)s."),
        "removed": _("Removed: %(kind)s. Undo brings it back."),
        "at": _("You are at: %(kind)s."),
        "slash-open": _("%(count)s to choose from. Arrows choose, Enter takes, Escape closes."),
        "too-much": _("That is too much at once. Paste it in parts."),
        "drop-files": _("Files cannot be dropped here. Add a picture, and bring the file in there."),
        "not-uploaded": _("The picture did not arrive. Look at your connection and choose it again."),
        "saves-itself": _("Saves while you type."),
        "saving": _("Saving…"),
        "signed-out": _(
            "Not saved: you’re signed out. Keep this page open and sign in again in another tab; then your text is"
            " saved from here."
        ),
        "look-paused": _(
            "The preview is paused because you’re signed out: sign in again in another tab, and it goes on."
        ),
        "no-line": _("Not saved: no connection. Keep this page open; we keep trying."),
        "unsaved-server": _("Not saved: the server has a problem. Keep this page open; we keep trying."),
        "unsaved-role": _("Not saved: you can no longer edit here. Copy your text before you close this page."),
        "unsaved-gone": _("Not saved: this draft was deleted. Copy your text before you close this page."),
        "unsaved-long": _("Not saved: the text is too long to send. Shorten it."),
        "unsaved-press": _("Not saved yet. Press Save."),
        "save-first": _("Save the letter first; then blocks can be commented on."),
    }


def facts(offered: list[dict[str, str]]) -> dict[str, str]:
    """What the editor's element carries besides."""
    return {"words": words(), "fields": json.dumps(offered, ensure_ascii=False)}
