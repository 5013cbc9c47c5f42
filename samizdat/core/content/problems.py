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
    "tag_gone": "%(tag)s works only inside Mailchimp. Remove it.",
    "tag_forward": "%(tag)s leads to Mailchimp's page for forwarding. Remove it, or write: forward this letter to whom "
    "you like.",
    "tag_rewards": "%(tag)s is an advertisement for Mailchimp. Remove it.",
    "tag_about": "%(tag)s leads to Mailchimp's page about the list. Remove it, or link {{ website }} or {{ signup }}.",
    "tag_number": "%(tag)s is a number of Mailchimp's, and readers have no use for it. Remove it.",
    "tag_translate": "%(tag)s sends the letter to a translation service that then knows who reads it. Remove it, or "
    "write the letter in each language.",
    "tag_contents": "%(tag)s makes a table of contents inside Mailchimp. Write the contents as a list.",
    "tag_recent": "%(tag)s lists earlier letters inside Mailchimp. Link them by hand, or your archive.",
    "tag_survey": "%(tag)s asks by a page of Mailchimp's. Put in a question of ours, or ask for an answer by mail.",
    "tag_shop": "%(tag)s needs Mailchimp's shop. Write the code or the goods into the letter.",
    "tag_card": "%(tag)s is Mailchimp's business card. Write {{ postal_address }} for the postal address.",
    "tag_count": "%(tag)s counts the list in each letter, and whoever gets one learns how many you are. Remove it.",
    "tag_social": "%(tag)s needs a social network connected to Mailchimp. Link your page there by its address.",
    "tag_feed": "%(tag)s fills in a feed inside Mailchimp. Paste what the letter should say.",
    "tag_raw": "%(tag)s has an end of its own that does not exist here. Remove it.",
    "tag_place": "%(tag)s is the place of a field in Mailchimp, and here every field has a name. "
    "Write its tag instead: %(known)s.",
    "tag_near": "There is no merge tag or field called %(tag)s. Probably %(near)s was meant.",
    "group_unknown": "Nobody here is in a group of “%(group)s”. Groups come in as tags like “%(group)s: Name”; look at "
    "the spelling.",
    "tag_personal": "%(tag)s would give each reader a number of her own in the letter. Remove it.",
    "tag_endless": "The tag that begins with %(tag)s never ends. Close it with %(end)s.",
    "tag_stray_end": "%(tag)s closes a tag that was never opened. Remove it, or open the tag before it.",
    "tag_unread": "The tag %(tag)s cannot be read. Write it like {{ FNAME }} or *|FNAME|*.",
    "filter_unknown": "The tag %(tag)s asks for %(filter)s, which does not exist. Use default:, date: or url.",
    "if_endless": "The condition %(tag)s never ends. Add %(end)s where it should stop.",
    "if_unread": "The condition %(tag)s cannot be read. Compare one field with one value, "
    'like {% if CITY == "Riga" %}; there is no and, no or.',
    "if_deep": "Conditions are nested more than %(limit)s deep. Take some of them apart.",
    "else_alone": "%(tag)s stands outside of any condition. Remove it, or put the condition before it.",
    "else_late": "%(tag)s comes after the else of its condition. Put the else last.",
    "comment_endless": "The comment that begins here never ends. Close it with -->.",
    "tag_many": "There are more than %(limit)s merge tags. Shorten the letter.",
    "tagged_unknown": "No subscriber here has a tag called “%(group)s”. Look at the spelling.",
    # the letter
    "body_empty": "There is no text yet. Write the letter.",
    "body_long": "There are %(size)s characters here; %(limit)s is the most. Move a part to a web page.",
    "letter_slow": "This campaign takes too long to prepare. Try again in a minute; if it stays so, look for a sign "
    "that is repeated thousands of times, or shorten the text.",
    "body_deep": "The HTML is nested more than %(limit)s deep. Paste it again without the surrounding tables.",
    "html_big": "The HTML is %(size)s KB; Gmail cuts a letter off above 102 KB. Shorten it.",
    "style_big": "The styles for phones and dark mode are %(size)s characters; "
    "Gmail drops them above 8,192. Shorten them.",
    "css_broken": "The styles could not be read, so they are left as they are. Look for a missing bracket.",
    "css_many": "There are too many styles for so many elements, so they are left out. Remove the rules that nothing "
    "needs.",
    "mjml_broken": "The template is not correct MJML: %(reason)s. Correct it, or take the standard template.",
    "mjml_include": "A template cannot take in other files. Copy the part that mj-include names into the template.",
    "template_no_content": "The template has no place for the letter. Put {{ content }} where it should stand.",
    "image_no_alt": "A picture has no description. Say what it shows, for readers who do not see it.",
    "image_inline": "A picture is pasted into the text itself; mail programs do not show those. Upload it instead.",
    "image_per_reader": "The address of a picture holds %(tag)s, so each reader would fetch her own. Remove the tag.",
    "image_counter": "A picture of one pixel counts readers. It is taken out: we do not record who opens.",
    "picture_none": "This block has no picture yet. Choose one, or remove the block.",
    "picture_gone": "The picture %(name)s is not in the library. Choose another one.",
    "button_empty": "A button has no words or leads nowhere. Give it both, or remove it.",
    "question_empty": "The question has no words, or fewer than two answers. Write them, or remove the block.",
    "question_second": "This is a second question, and a letter asks one. Keep the other for the next letter.",
    "question_condition": "The question stands in a condition, so its answers would tell who gave them. Ask everybody.",
    "question_tag": "The question and its answers are the same for all readers. Take the merge tag out.",
    "html_taken_out": "%(what)s cannot be in a letter and is taken out.",
    "pictures_heavy": "The pictures inside the letter weigh %(size)s kB, and %(limit)s is the most. Make them smaller.",
    "image_condition": "A picture from %(host)s stands in a condition, so that host sees which reader opens it. "
    "Upload it here instead, or show it to everybody.",
    "image_http": "The picture %(url)s is fetched without encryption. Use https.",
    "image_foreign": "A picture comes from %(host)s, and that host sees who reads. Upload it here instead.",
    "image_nowhere": "The picture %(url)s cannot be fetched by mail programs. Upload it, or write its whole address.",
    "link_http": "The link %(url)s is not encrypted. Use https if the page has it.",
    "link_empty": "A link leads nowhere. Give it an address, or make it plain text.",
    "link_placeholder": "The link %(url)s is a placeholder. Enter the real address, or remove the link.",
    "link_leaves": "The link %(url)s unsubscribes people somewhere else, not from your list. Use {{ unsubscribe }} as "
    "its address, or remove it.",
    "link_may_leave": "The link %(url)s looks like an unsubscribe link that doesn't work here. If it is one, use "
    "{{ unsubscribe }} as its address.",
    "template_picture": "The picture %(url)s is missing from the template, so nobody will see it. Import the template "
    "again as a zip file with its pictures, or choose another picture for that part.",
    "link_relative": "The link %(url)s has no site in it and leads nowhere in a letter. Write it out with https://.",
    "link_scheme": "The link %(url)s cannot be used in a letter. Use https, mailto or tel.",
    "tag_in_style": "%(tag)s stands in a style, a class or another attribute that says how something looks, where no "
    "value can go. Move it into the text.",
    "if_broken": "The condition on this line cuts through an HTML tag. Put whole elements between its parts.",
    "names_reader": "%(tag)s puts something about the reader into the letter. "
    "Look whether it must be there: whoever finds or gets the letter forwarded reads it, too.",
    "tag_nothing": "%(tag)s is empty here, because nobody has set it. Set it under Settings, or write it out.",
    "tag_no_form": "%(tag)s is empty here, because the list has no sign-up form. Make one under Lists and forms, or "
    "write it out.",
    "settings_altered": "The addresses under Settings are not as they were last saved there, or their sealed copy is "
    "gone. Have an admin check and save them, then try again.",
    "no_unsubscribe": "The letter has no link to unsubscribe. Put {{ unsubscribe }} into it.",
    # a letter of blocks (core/content/blocks)
    "doc_no_json": "The letter cannot be read: it is no JSON from character %(number)s on. "
    "Reload the page, or correct the file.",
    "doc_no_doc": 'The letter is no document of blocks: it must begin with {"type":"doc". Choose another file.',
    "doc_version": "The letter is of version %(version)s, which this house does not know. Bring Samizdat up to date.",
    "doc_big": "The letter has %(size)s bytes; %(limit)s is the most. Move a part to a web page.",
    "doc_blocks": "Block %(block)s is one too many: a letter has %(limit)s at most. Move a part to a web page.",
    "doc_deep": "Block %(block)s lies more than %(limit)s deep in others. Take it out of some of them.",
    "doc_no_block": "Block %(block)s is none. Remove it, or give it a type.",
    "doc_type": "Block %(block)s: there is no block called %(type)s. Remove it, or use another one.",
    "doc_attr": "Block %(block)s: %(type)s has no setting called %(attr)s. Remove it.",
    "doc_value": "Block %(block)s: the setting %(attr)s of %(type)s cannot be %(value)s. Correct it.",
    "doc_mark": "Block %(block)s: text cannot be marked as %(mark)s. Use bold, italic or link.",
    "doc_place": "Block %(block)s: %(type)s cannot stand inside of %(parent)s. Move it out.",
    "doc_last": "Block %(block)s: the footer stands once, as the last block. Move it to the end.",
    "doc_item": "Block %(block)s: an item of a list holds one paragraph, and after it one list at most.",
    "doc_count": "Block %(block)s: %(type)s cannot hold %(count)s of what it is made of. Add some, or remove it.",
    "doc_script": "Block %(block)s: the address %(url)s could run a program. Use https, mailto or tel.",
    # checks of the compiled letter (core/content/checks, campaigns/checks)
    "subject_trial": "“%(word)s” stands here, as in a trial. Take it out before the letter goes to everybody.",
    "left_over": "“%(word)s” looks like something left over from a template. Write what should stand there.",
    "date_weekday": "“%(date)s” cannot be: %(whole)s is a %(day)s. Readers who trust the weekday come on another day.",
    "date_none": "There is no such day: “%(date)s”. Look into the calendar.",
    "date_year": "“%(date)s” is long past, and the same day comes soon. Probably %(year)s was meant.",
    "date_far": "“%(date)s” is many years ahead. It is %(year)s now; look whether the year is right.",
    "year_old": "“%(written)s” was right once; it is %(year)s. Write {{ year }}, and it is right every year.",
    "link_counter": "The link to %(host)s goes through a click counter of %(whose)s, which learns who reads this, "
    "when and from where. Link the page itself.",
    "link_short": "The link to %(host)s only leads on to another page: whoever runs it sees your readers, and spam "
    "filters distrust it. Link the page itself.",
    "link_person": "The link to %(host)s carries %(names)s, a mark of %(whose)s that belongs to one person: whoever "
    "copied it, or each reader. Cut it off.",
    "link_letter": "The link to %(host)s carries %(names)s, which tell that site from which letter a reader comes. "
    "Cut them off, unless you want that.",
    "link_blocked": "%(host)s does not open where some of your readers live. Say the main thing in the letter "
    "itself, or add a link that opens.",
    "uncounted_reader": "The link %(url)s holds a value of the reader, so it stays direct and is not counted.",
    "uncounted_condition": "Not every reader has or sees the link %(url)s, so it stays direct and is not counted. Take "
    "it out of the condition, and keep merge tags out of its words.",
    "uncounted_words": "The link %(url)s shows its own address, so it stays direct and is not counted: filters take a "
    "shown address that leads elsewhere for a fraud. Give it words of its own, and it is counted.",
    "uncounted_odd": "The link %(url)s is none that a redirect should lead to, so it stays direct and is not counted.",
    "link_dead": "The link %(url)s does not work: %(why)s. Correct it, or take it out.",
    "link_moved": "The link %(url)s leads on to %(to)s. Link that page, if it is the one you mean.",
    "link_inside": "The link %(url)s leads into a private network, where readers cannot follow. Link a public page.",
    "image_dead": "The picture %(url)s cannot be fetched: %(why)s. Upload it here instead.",
    "image_heavy": "The picture %(url)s has %(size)s KB, which is slow on a phone and costs readers money. Make it "
    "smaller.",
    "images_heavy": "The pictures have %(size)s KB together, which is slow on a phone. Leave some out, or make them "
    "smaller.",
    "donation_unwarned": "The letter asks for money and does not warn whom a gift can harm. Your organization is at "
    "risk: write a warning beside it, such as: “%(words)s” Nothing goes out without one.",
    "donation_no_word": "The letter asks for money and says nothing of the risk that a gift can be for the giver. If "
    "it can be one where your readers live, warn them.",
    "donation_to_all": "The letter asks for money and goes to readers who did not agree to appeals, too. Make it an "
    "appeal under Audience, or take the asking out.",
    "width_fixed": "The letter is %(width)s pixels wide on every screen, so it does not adapt to phones: they show all "
    "of it small, and readers enlarge it or move it aside. A template that adapts spares them that.",
    "contrast_low": "“%(text)s” is hard to read: %(ink)s on %(ground)s is %(ratio)s to 1, and 4.5 is the least. Make "
    "one darker or the other lighter.",
    "spelling": "“%(word)s” is in no dictionary. Perhaps: %(near)s.",
    "spelling_alone": "“%(word)s” is in no dictionary. Look at the spelling.",
    "bounces_elsewhere": "Bounces name readers, and they would go to %(address)s, outside of your own domains. Have an "
    "admin set an address for them under Settings.",
    "domain_anothers": "%(domain)s is in use by another organization here, so nothing goes out from it. Write from a "
    "domain of yours; if this one is, an admin adds it under Sending domains, publishes its record and presses Check.",
    "return_anothers": "Bounces would go to %(address)s, but that domain is in use by another organization here. Set "
    "another address under Settings; if the domain is yours, add it under Sending domains, publish its record and "
    "press Check.",
    "no_signature": "Nobody signs for %(domain)s, so large mailboxes take the letter for forged or for spam. An "
    "admin adds the domain under Sending domains.",
    "second_today": "Another letter goes to this list today: “%(subject)s”. Two on one day make people leave.",
    "same_words": "The text is still the one of this version: %(language)s. Translate it, or remove this language.",
    "reach_large": "It goes to %(now)s; the letters before went to %(before)s at the most. Look whether list, tag "
    "and segment are the ones you mean.",
    "empty_values": "%(count)s of %(of)s have no %(field)s; they will read “%(default)s”.",
    "unfit_values": "%(count)s of %(of)s have a %(field)s that is longer than 100 characters or has a link in it. They "
    "get the fallback.",
    "empty_nothing": "%(count)s of %(of)s have no %(field)s, and nothing will stand there for them. Write a default: "
    "%(hint)s.",
    # the headers
    "subject_empty": "The letter has no subject. Write one.",
    "subject_long": "The subject has %(size)s characters; %(limit)s is the most. Shorten it: phones show about 40.",
    "subject_lines": "The subject has a line break or control character in it. Write it on one line.",
    "name_lines": "The sender's name has a line break or control character in it. Write it on one line.",
    "name_link": "The sender's name holds an address, of which mail programs make a link, or signs that nobody "
    "sees. Write a plain name, like Lantern.",
    "name_long": "The sender's name has %(size)s characters; %(limit)s is the most. Shorten it.",
    "from_bad": "%(address)s is no address that a letter can come from. Write it like news@example.org.",
    "reply_bad": "%(address)s is no address that answers can go to. Write it like news@example.org.",
    "list_id_bad": "%(value)s is no list identity. Write it like a host name: thursday.lists.example.org.",
    "feedback_bad": "%(value)s is no Feedback-ID. Write up to four words with colons between them.",
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
