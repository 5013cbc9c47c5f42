"""Addresses in what servers write: fields of reports, lines of prose, headers."""

import re

# Anything that a server may have taken for an address. Linear: what stands before @ begins where nothing of it stands.
ADDRESS = re.compile(
    r"(?<![\w.!#$%&*+/=?^`{|}~'-])"
    r"((?:\"[^\"\n]{1,64}\"|[\w!#$%&*+/=?^`{|}~'-][\w.!#$%&*+/=?^`{|}~'-]{0,127})@(?:[\w#-]{1,63}\.){0,8}[\w-]{1,63})"
)
# Chinese, Japanese and Korean have no space between a word and an address.
_LETTERS = r"[\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff\uff00-\uffef]+"
_GLUED = re.compile(rf"^{_LETTERS}(?=[ -~]+@)|(?<=[a-z\d]){_LETTERS}$", re.IGNORECASE)
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_UNICODE = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_IMCEA = re.compile(r"IMCEA(?:EX|SMTP)-([^@]+)@", re.IGNORECASE)
_IMCEA_CODE = re.compile(r"\+([0-9A-Fa-f]{2})")


def first(text: str) -> str | None:
    match = ADDRESS.search(text[:1000])
    return clean(match[1]) if match else None


def clean(address: str) -> str:
    address = address.strip("'`").removeprefix("=").rstrip(".")
    return address if address.isascii() else _GLUED.sub("", address)


def of_field(value: str) -> str | None:
    """Of Final-Recipient and its kin: "rfc822; ada@reader.example", with or without brackets, comments, xtext."""
    kind, mark, rest = value.partition(";")
    kind, text = (kind.strip().lower(), rest) if mark else ("rfc822", value)
    if kind == "utf-8":
        text = _UNICODE.sub(lambda match: chr(min(int(match[1], 16), 0x10FFFF)), text)
    if "<" in text and "@" in text.partition("<")[2]:
        text = text.partition("<")[2].partition(">")[0]
    text = (
        _XTEXT.sub(lambda match: chr(int(match[1], 16)), text.strip())
        if "+40" in text or "+2B" in text or "+3D" in text
        else text
    )
    special = _IMCEA.match(text.strip())
    if special:
        text = _IMCEA_CODE.sub(lambda match: chr(int(match[1], 16)), special[1])
    return first(text)


def of_header(value: str) -> list[str]:
    return [clean(match) for match in ADDRESS.findall(value[:2000])] if "@" in value else []
