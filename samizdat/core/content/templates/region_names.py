"""What the names in a template tell: Mailchimp's are for machines ("tiwc300_image00"), some a person has given."""

import re

# Words of a machine's name -> where that part stands; the first that is there counts.
_WHERE = {
    "preheader": "preheader", "header": "header", "masthead": "header", "banner": "header", "logo": "logo",
    "footer": "footer", "utility": "utility", "unsubscribe": "utility", "social": "social", "connect": "social",
    "share": "social", "left": "left", "right": "right", "sidebar": "sidebar", "side": "sidebar",
}  # fmt: skip
# Words that say nothing to whoever writes.
_EMPTY = frozenset({
    "std", "tiwc", "content", "image", "img", "text", "part", "block", "body", "main", "column", "repeat",
    "repeatable", "edit", "editable", "area", "section", "data", "row", "cell", "box", "item", "module",
    "container", "wrapper", "mc", "monkeyrewards", "rewards", "title", "link", "links", "button", "btn", "html",
})  # fmt: skip


def given(name: str) -> str:
    """The name as a person may have given it; "" for a machine's."""
    plain, _hash, number = name.partition(" #")
    words = re.split(r"[\s_\-.]+", plain.strip())
    if any(re.search(r"\d|[a-z][A-Z]", word) for word in words) or not all(words):
        return ""
    if all(word.lower() in _EMPTY or word.lower() in _WHERE for word in words):
        return ""
    label = " ".join(words)
    return label[:1].upper() + label[1:] + (f" {number}" if number else "")


def where(name: str) -> str:
    """A code of where a part stands, by its machine's name: preheader, header, logo, footer, utility, social, left,
    right, sidebar; "" where the name does not tell.
    """
    words = [re.sub(r"(?<!\d)\d+$", "", word).lower() for word in re.findall(r"[A-Za-z][a-z]*\d*", name)]
    return next((_WHERE[word] for word in words if word in _WHERE), "")
