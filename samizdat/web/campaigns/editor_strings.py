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
        "tools": _("Actions: %(kind)s"),
        "tool-up": _("Move up: %(kind)s"),
        "tool-down": _("Move down: %(kind)s"),
        "tool-column": _("Move to the next column, or out of the columns: %(kind)s"),
        "tool-copy": _("Duplicate: %(kind)s"),
        "tool-comment": _("Comment on: %(kind)s"),
        "tool-remove": _("Delete: %(kind)s"),
        "sign-column": pgettext("tool", "column"),
        "sign-copy": pgettext("tool", "duplicate"),
        "sign-comment": pgettext("tool", "comment"),
        "sign-remove": pgettext("tool", "delete"),
        "drag": _("Drag: %(kind)s"),
        "add": _("Add a block"),
        "formats": _("Text formatting"),
        "shape": _("Text or heading"),
        "tone": _("Callout type"),
        "format-bold": _("Bold"),
        "format-italic": _("Italic"),
        "format-link": _("Link"),
        "format-color": _("Remove color"),
        "format-list": pgettext("block", "List"),
        "format-numbers": _("Numbered list"),
        "format-deeper": _("Indent"),
        "format-higher": _("Outdent"),
        "format-quote": _("Quote"),
        "format-field": _("Merge tag"),
        "format-undo": _("Undo"),
        "format-redo": _("Redo"),
        "sign-link": pgettext("tool", "link"),
        "sign-color": pgettext("tool", "no color"),
        "sign-list": pgettext("tool", "list"),
        "sign-numbers": pgettext("tool", "1. 2."),
        "sign-deeper": "→",
        "sign-higher": "←",
        "sign-quote": pgettext("tool", "quote"),
        "sign-field": pgettext("tool", "merge tag"),
        "sign-undo": "↶",
        "sign-redo": "↷",
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
        "picture-coming": _("Uploading. You can keep writing."),
        "picture-foreign": _("Image from %(host)s, not loaded here"),
        "picture-alt": _("Alt text: describe the image"),
        "picture-decorative": _("Decorative image"),
        "picture-link": _("Link"),
        "picture-width": _("Width in pixels"),
        "picture-width-hint": _("Leave empty for full width."),
    }


def _blocks() -> dict[str, str]:
    """What the blocks without text of their own are asked for."""
    return {
        "button-text": _("Text"),
        "button-link": _("Address"),
        "button-align": _("Alignment"),
        "align-start": _("Start"),
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


def facts(offered: list[dict[str, str]]) -> dict[str, str]:
    """What the editor's element carries besides."""
    return {"words": words(), "fields": json.dumps(offered, ensure_ascii=False)}
