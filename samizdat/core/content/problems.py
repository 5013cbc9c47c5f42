"""What can be wrong in a letter: one sentence for each code, and where it stands."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["stop", "care", "note"]

# One English sentence for each code that a flaw can have, here and in the modules behind. The doors translate the
# template and fill in `values`.
SENTENCES: dict[str, str] = {
    "tag_unknown": "There is no merge tag or field called %(tag)s. Correct the name, or add the field to the list.",
    "tag_gone": "%(tag)s works only in Mailchimp. Remove it.",
    "tag_forward": "%(tag)s leads to Mailchimp’s forwarding page. Remove it, or write: Forward this email to "
    "anyone you like.",
    "tag_rewards": "%(tag)s is an ad for Mailchimp. Remove it.",
    "tag_about": "%(tag)s leads to Mailchimp’s page about the list. Remove it, or link to {{ website }} or {{ "
    "signup }}.",
    "tag_number": "%(tag)s is an internal Mailchimp number that subscribers don’t need. Remove it.",
    "tag_translate": "%(tag)s sends the email to a translation service, which then knows who opens it. Remove it, "
    "or add translations.",
    "tag_contents": "%(tag)s creates a table of contents in Mailchimp. Write the contents as a list.",
    "tag_recent": "%(tag)s lists earlier campaigns in Mailchimp. Link to them yourself, or to your archive.",
    "tag_survey": "%(tag)s uses a Mailchimp page to ask a question. Add a Question block, or ask for replies by email.",
    "tag_shop": "%(tag)s needs Mailchimp’s store. Write the code or the products into the email.",
    "tag_card": "%(tag)s is Mailchimp’s business card. Use {{ postal_address }} for the postal address.",
    "tag_count": "%(tag)s shows the size of your list in every email, so every recipient learns it. Remove it.",
    "tag_social": "%(tag)s needs a social network connected to Mailchimp. Link to your page there instead.",
    "tag_feed": "%(tag)s fills in a feed in Mailchimp. Paste the text itself.",
    "tag_raw": "%(tag)s closes something that doesn’t exist here. Remove it.",
    "tag_place": "%(tag)s is a field number in Mailchimp. Here, every field has a name. Use its merge tag instead: "
    "%(known)s.",
    "tag_near": "There is no merge tag or field called %(tag)s. Did you mean %(near)s?",
    "group_unknown": "No subscriber is in a group of “%(group)s”. Groups are imported as tags like “%(group)s: "
    "Name”. Check the spelling.",
    "tag_personal": "%(tag)s would give each subscriber a number of their own in the email. Remove it.",
    "tag_endless": "The merge tag that begins with %(tag)s isn’t closed. Close it with %(end)s.",
    "tag_stray_end": "%(tag)s closes a tag that was never opened. Remove it, or add the opening tag before it.",
    "tag_unread": "We can’t read the merge tag %(tag)s. Write it like {{ FNAME }} or *|FNAME|*.",
    "filter_unknown": "The merge tag %(tag)s uses %(filter)s, which doesn’t exist. Use default:, date: or url.",
    "if_endless": "The condition %(tag)s isn’t closed. Add %(end)s where it should end.",
    "if_unread": 'We can’t read the condition %(tag)s. Compare one field with one value, like {% if CITY == "Riga" '
    "%}. “and” and “or” aren’t supported.",
    "if_deep": "Conditions are nested more than %(limit)s levels deep. Split some of them.",
    "else_alone": "%(tag)s is outside of any condition. Remove it, or add the condition before it.",
    "else_late": "%(tag)s comes after the else of its condition. Put the else last.",
    "comment_endless": "The comment that begins here isn’t closed. Close it with -->.",
    "tag_many": "There are more than %(limit)s merge tags. Shorten the email.",
    "conditions_many": "There are more than %(limit)s different conditions, in all versions together. Remove some, or "
    "send several campaigns.",
    "tagged_unknown": "No subscriber has the tag “%(group)s”. Check the spelling.",
    # the letter
    "body_empty": "There is no text yet. Write the email.",
    "body_sample": "The text is still the template’s sample text. Replace it with your own.",
    "body_long": "The text has %(size)s characters; the limit is %(limit)s. Move part of it to a web page.",
    "letter_slow": "This campaign takes too long to prepare. Try again in a minute. If that doesn’t help, look for "
    "a character that is repeated thousands of times, or shorten the text.",
    "body_deep": "The HTML is nested more than %(limit)s levels deep. Paste it again without the surrounding tables.",
    "html_big": "The HTML is %(size)s KB; Gmail cuts emails off above 102 KB. Shorten the email.",
    "style_big": "The styles for phones and dark mode have %(size)s characters; Gmail drops them above 8,192. "
    "Shorten them.",
    "css_broken": "We couldn’t read the styles, so they were left unchanged. Check for a missing bracket.",
    "css_many": "There are too many styles for this many elements, so they were left out. Remove unused rules.",
    "mjml_broken": "The template isn’t correct MJML: %(reason)s. Correct it, or use the built-in template.",
    "mjml_include": "A template can’t include other files. Copy the content that mj-include names into the template.",
    "template_no_content": "The template has no place for the email text. Add {{ content }} where it should appear.",
    "image_no_alt": "An image has no alt text. Describe what it shows, for people who can’t see it.",
    "image_inline": "An image is pasted into the text itself, and mail apps don’t show those. Upload it instead.",
    "image_per_reader": "The address of an image contains %(tag)s, so each subscriber would load a different one. "
    "Remove the merge tag.",
    "image_counter": "A one-pixel tracking image was removed: we don’t track opens.",
    "picture_none": "This block has no image yet. Choose one, or delete the block.",
    "picture_gone": "The image %(name)s isn’t in Media. Choose another one.",
    "button_empty": "A button has no text or no link. Add both, or delete the button.",
    "question_empty": "The question has no text, or fewer than two answers. Add them, or delete the block.",
    "question_second": "This is a second question, and an email can have only one. Keep the other for the next email.",
    "question_condition": "The question is inside a condition, so its answers would reveal who gave them. Ask "
    "everyone.",
    "question_tag": "The question and its answers must be the same for all subscribers. Remove the merge tag.",
    "html_taken_out": "%(what)s can’t be used in an email and will be removed.",
    "pictures_heavy": "The embedded images have %(size)s kB; the limit is %(limit)s. Make them smaller.",
    "image_condition": "An image from %(host)s is inside a condition, so that site sees which subscriber opens it. "
    "Upload it here instead, or show it to everyone.",
    "image_http": "The image %(url)s is loaded without encryption. Use https.",
    "image_foreign": "An image is loaded from %(host)s, so that site sees who opens the email. Upload it here instead.",
    "image_nowhere": "Mail apps can’t load the image %(url)s. Upload it, or enter its full address.",
    "link_http": "The link %(url)s isn’t encrypted. Use https if the page supports it.",
    "link_empty": "A link has no address. Add one, or make it plain text.",
    "link_placeholder": "The link %(url)s is a placeholder. Enter the real address, or remove the link.",
    "link_leaves": "The link %(url)s unsubscribes people somewhere else, not from your list. Use {{ unsubscribe }} "
    "as its address, or remove the link.",
    "link_may_leave": "The link %(url)s looks like an unsubscribe link that doesn’t work here. If it is one, use "
    "{{ unsubscribe }} as its address.",
    "template_picture": "The image %(url)s is missing from the template, so nobody will see it. Import the "
    "template again as a zip file with its images, or choose another image for that block.",
    "link_takes_link": "A link to %(host)s contains %(tag)s, so that site could unsubscribe anyone who clicks it. "
    "Remove the merge tag from the link.",
    "link_takes_value": "A link to %(host)s contains %(tag)s, so that site learns who clicked. Remove the merge tag, "
    "unless the site needs it and subscribers know.",
    "link_relative": "“%(url)s” isn’t a complete link and won’t work in an email. Start it with https://.",
    "link_scheme": "The link %(url)s can’t be used in an email. Use https, mailto or tel.",
    "tag_in_style": "%(tag)s is in a style, class or another attribute that sets the look, where no value can be "
    "inserted. Move it into the text.",
    "if_broken": "The condition on this line cuts through an HTML tag. Put only whole elements inside it.",
    "names_reader": "%(tag)s puts personal data into the email. Check that you need it: anyone who finds the email "
    "or gets it forwarded can read it too.",
    "tag_nothing": "%(tag)s is empty because it isn’t set. Set it under Settings, or write it out.",
    "tag_no_form": "%(tag)s is empty because the list has no sign-up form. Create one under Lists and forms, or "
    "write the address out.",
    "settings_altered": "The addresses under Settings aren’t as they were last saved, or their encrypted copy is "
    "missing. Check and save them there (admins only), then try again.",
    "no_unsubscribe": "The email has no unsubscribe link. Add {{ unsubscribe }}.",
    # a letter of blocks (core/content/blocks)
    "doc_no_json": "We can’t read the email: from character %(number)s on, it isn’t JSON. Reload the page, or "
    "correct the file.",
    "doc_no_doc": 'This isn’t an email made of blocks: it must begin with {"type":"doc". Choose another file.',
    "doc_version": "The email has version %(version)s, which this server doesn’t know. Update Samizdat.",
    "doc_big": "The email has %(size)s bytes; the limit is %(limit)s. Move part of it to a web page.",
    "doc_blocks": "Block %(block)s is one too many: an email can have at most %(limit)s. Move part of it to a web "
    "page.",
    "doc_deep": "Block %(block)s is nested more than %(limit)s levels deep. Move it out of some of its outer blocks.",
    "doc_no_block": "Block %(block)s isn’t a block. Delete it, or give it a type.",
    "doc_type": "Block %(block)s: there is no block type called %(type)s. Delete it, or use another one.",
    "doc_attr": "Block %(block)s: %(type)s has no setting called %(attr)s. Remove it.",
    "doc_value": "Block %(block)s: the setting %(attr)s of %(type)s can’t be %(value)s. Correct it.",
    "doc_mark": "Block %(block)s: text can’t be marked as %(mark)s. Use bold, italic or link.",
    "doc_place": "Block %(block)s: %(type)s can’t be inside %(parent)s. Move it out.",
    "doc_last": "Block %(block)s: there can be only one footer, as the last block. Move it to the end.",
    "doc_item": "Block %(block)s: a list item can have one paragraph, followed by at most one list.",
    "doc_count": "Block %(block)s: %(type)s can’t have %(count)s parts. Add some, or delete it.",
    "doc_script": "Block %(block)s: the address %(url)s could run a program. Use https, mailto or tel.",
    # checks of the compiled letter (core/content/checks, campaigns/checks)
    "subject_trial": "This text contains “%(word)s”, as in a test. Remove it before you send the campaign.",
    "left_over": "“%(word)s” looks like text left over from a template. Replace it.",
    "date_weekday": "“%(date)s” doesn’t match: %(whole)s is a %(day)s. People who go by the weekday will come on "
    "another day.",
    "date_none": "“%(date)s” doesn’t exist. Check the calendar.",
    "date_year": "“%(date)s” is long past, and the same day is coming up soon. Did you mean %(year)s?",
    "date_far": "“%(date)s” is many years ahead. It’s %(year)s now; check the year.",
    "year_old": "“%(written)s” is outdated: it’s %(year)s now. Use {{ year }} to keep it right every year.",
    "link_counter": "The link to %(host)s goes through a click counter of %(whose)s, which learns who opens it, "
    "when and from where. Link directly to the page.",
    "link_short": "The link to %(host)s only redirects to another page: its owner sees your subscribers, and spam "
    "filters distrust it. Link directly to the page.",
    "link_person": "The link to %(host)s contains %(names)s, a mark of %(whose)s that identifies one person: the "
    "person who copied it, or each subscriber. Remove it.",
    "link_letter": "The link to %(host)s contains %(names)s, which tell that site which email a visitor comes "
    "from. Remove them, unless you want that.",
    "link_blocked": "%(host)s is blocked where some of your subscribers are. Say the main thing in the email "
    "itself, or add a link that opens there.",
    "uncounted_reader": "The link %(url)s contains personal data, so it stays direct and isn’t counted.",
    "uncounted_condition": "Not every subscriber gets the link %(url)s, so it stays direct and isn’t counted. Move "
    "it out of the condition, and keep merge tags out of its text.",
    "uncounted_words": "The link %(url)s shows its own address, so it stays direct and isn’t counted: filters "
    "treat a shown address that leads elsewhere as fraud. Give the link a text to count it.",
    "uncounted_odd": "The link %(url)s isn’t suited to a redirect, so it stays direct and isn’t counted.",
    "links_many": "Clicks on more than %(limit)s links would be counted, in all versions together. Remove some links, "
    "or don’t count clicks.",
    "link_dead": "The link %(url)s doesn’t work: %(why)s. Correct or remove it.",
    "link_moved": "The link %(url)s redirects to %(to)s. Link directly to that page if it’s the one you mean.",
    "link_inside": "The link %(url)s leads into a private network that subscribers can’t reach. Link to a public page.",
    "image_dead": "The image %(url)s can’t be loaded: %(why)s. Upload it here instead.",
    "image_heavy": "The image %(url)s has %(size)s KB, which is slow on a phone and costs subscribers money. Make "
    "it smaller.",
    "images_heavy": "The images have %(size)s KB together, which is slow on a phone. Remove some, or make them "
    "smaller.",
    "donation_unwarned": "This email asks for money but doesn’t warn whom a donation can harm. Your organization "
    "is at risk: add a warning next to it, such as: “%(words)s” Without one, the campaign "
    "can’t be sent.",
    "donation_no_word": "This email asks for money but says nothing about the risk to donors. If donating can be "
    "risky where your subscribers are, warn them.",
    "donation_to_all": "This email asks for money and also goes to subscribers who didn’t agree to appeals. Set "
    "its type to Fundraising appeal under Audience, or remove the request.",
    "width_fixed": "The email is %(width)s pixels wide on every screen. Phones show it small, and people have to "
    "zoom or scroll sideways. A template that adapts to phones avoids that.",
    "contrast_low": "Low contrast: “%(text)s” (%(ink)s on %(ground)s is %(ratio)s:1, needs 4.5:1). Make one darker "
    "or the other lighter.",
    "spelling": "“%(word)s” isn’t in the dictionary. Did you mean: %(near)s?",
    "spelling_alone": "“%(word)s” isn’t in the dictionary. Check the spelling.",
    "bounces_elsewhere": "Bounces contain subscribers’ addresses, and they would go to %(address)s, outside your "
    "own domains. Set a bounce address under Settings (admins only).",
    "domain_anothers": "%(domain)s is used by another organization on this server, so you can’t send from it. Use "
    "your own domain. If this one is yours, add it under Domains (admins only), add its record "
    "and press Check.",
    "return_anothers": "Bounces would go to %(address)s, but another organization on this server uses that domain. "
    "Set another address under Settings. If the domain is yours, add it under Domains, add its "
    "record and press Check.",
    "mailbox_anothers": "Email to %(address)s goes to another organization on this server. Enter an address of your "
    "own. If the domain is yours, add it under Domains, add its record and press Check.",
    "no_signature": "Emails from %(domain)s aren’t signed with DKIM, so large mailbox providers take them for "
    "forged or for spam. Add the domain under Domains (admins only).",
    "list_archived": "The list “%(list)s” is archived. Choose another list, or restore this one.",
    "second_today": "“%(subject)s” goes to this list today too. Consider another day.",
    "same_words": "The text is still the same as in this version: %(language)s. Translate it, or remove the "
    "translation.",
    "reach_large": "It goes to %(now)s recipients; earlier campaigns went to at most %(before)s. Check the list, "
    "tag and segment.",
    "empty_values": "%(count)s of %(of)s have no %(field)s; they’ll see “%(default)s”.",
    "unfit_values": "%(count)s of %(of)s have a %(field)s that’s longer than 100 characters or contains a link. "
    "They’ll see the fallback.",
    "empty_nothing": "%(count)s of %(of)s have no %(field)s, and nothing will be shown for them. Add a fallback: "
    "%(hint)s.",
    # the headers
    "subject_empty": "The campaign has no subject. Add one.",
    "subject_long": "The subject has %(size)s characters; the limit is %(limit)s. Shorten it: phones show about 40.",
    "subject_lines": "The subject contains a line break or control character. Write it on one line.",
    "name_lines": "The sender name contains a line break or control character. Write it on one line.",
    "name_link": "The sender name contains an address, which mail programs turn into a link, or invisible "
    "characters. Use a plain name, such as Lantern.",
    "name_long": "The sender name has %(size)s characters; the limit is %(limit)s. Shorten it.",
    "from_empty": "There’s no sender address yet. Enter one.",
    "from_bad": "%(address)s can’t be used as the sender address. Enter one like news@example.org.",
    "reply_bad": "%(address)s can’t be used as the reply-to address. Enter one like news@example.org.",
    "list_id_bad": "%(value)s isn’t a valid list ID. Write it like a host name: thursday.lists.example.org.",
    "feedback_bad": "%(value)s isn’t a valid Feedback-ID. Write up to four words with colons between them.",
}
# Sentences that show a tag of ours hold a literal percent sign, so formatting goes through this, not through %.
_HOLE = re.compile(r"%\((\w+)\)s")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values into the `%(name)s` holes of a sentence; every other percent sign stays as it is."""
    return _HOLE.sub(lambda hole: values.get(hole[1], ""), template)


@dataclass(frozen=True, slots=True)
class ContentProblem:
    """Something wrong in a letter, with the line it stands on (1 = first) and what to do.

    `severity` "stop" keeps the letter from going out, "care" is worth a look, "note" is good to know. `fix` "remove"
    means that `without(source, flaw)` gives the corrected source; `start` and `end` are what it would cut.
    `place` is where the line is counted: body, template, subject, preheader, to, from, reply_to, letter.
    """

    line: int
    code: str
    values: Mapping[str, str] = field(default_factory=dict)
    fix: str | None = None
    severity: Severity = "stop"
    place: str = "body"
    start: int = 0
    end: int = 0

    @property
    def template(self) -> str:
        return SENTENCES[self.code]

    @property
    def sentence(self) -> str:
        return fill(SENTENCES[self.code], self.values)
