"""Taking a page apart, and letting through only what belongs into a letter."""

import re

MAX_NESTING = 200  # HTML parsers slow down with the square of the depth, and tables overflow them at thousands

VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
# Elements whose end tag is usually left out do not nest, however often they are opened.
_LEFT_OPEN = frozenset(
    ["p", "li", "td", "th", "tr", "dt", "dd", "option", "thead", "tbody", "tfoot", "html", "head", "body"]
)
_ELEMENT = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")


def nesting(page: str) -> int:
    """The greatest depth of open elements, by counting; unclosed ones count too, since parsers carry them along."""
    depth = deepest = 0
    for close, name in _ELEMENT.findall(page):
        name = name.lower()
        if name in VOID or name in _LEFT_OPEN:
            continue
        depth = max(0, depth - 1) if close else depth + 1
        deepest = max(deepest, depth)
    return deepest


_HEAD = re.compile(r"<head\b[^<>]*>", re.IGNORECASE)
_BODY = re.compile(r"<body\b((?:[^<>\"']|\"[^\"]*\"|'[^']*')*+)>", re.IGNORECASE)


def take_apart(page: str) -> tuple[str, str, str]:
    """(inside of head, attributes of body, inside of body)"""
    lower = page.lower() if len(page.lower()) == len(page) else page  # Some letters are two in lower case.
    head, body = _HEAD.search(page), _BODY.search(page)
    end = lower.rfind("</body>")
    if not body or end < body.end():
        return "", "", page
    head_end = lower.find("</head>", head.end()) if head else -1
    inside = page[head.end() : head_end] if head and head_end >= 0 else ""
    return inside, _clean_attributes(body[1]), page[body.end() : end].strip("\n")


def _clean_attributes(attributes: str) -> str:
    cleaned = clean(f"<div{attributes}></div>", outlook=False)
    return cleaned[len("<div") : cleaned.index(">", cleaned.rfind('"') if '"' in cleaned else 0)]


# Anything in a style sheet that fetches: readers would tell a third party that they read. What is not closed ends with
# the sheet, as mail programs read it.
_FETCHES = re.compile(
    r"@import[^;]*;?|@font-face\s*\{[^}]*\}?|url\([^)]*\)?|expression\([^)]*\)?|-moz-binding[^;}]*|behavior\s*:[^;}]*"
    r"|(?:image-set|cross-fade|\bimage|\bsrc)\((?:[^()]|\([^()]*\))*\)?",
    re.IGNORECASE,
)
MOST_LAYERS = 5  # A sheet with more of them is nobody's by accident, and goes.
# Letters and signs written by number or behind a backslash: no sheet needs it, and u\72l( fetches like url(.
_WRITTEN_OTHERWISE = re.compile(r"\\(?:0{0,4}([2-7][0-9a-fA-F])(?:[ \t\r\n\f]|(?![0-9a-fA-F]))|([g-zG-Z@(:-]))")


def spelled_out(style: str) -> str:
    """A sheet with its letters and signs as such."""

    def letter(match: re.Match[str]) -> str:
        meant = chr(int(match[1], 16)) if match[1] else match[2]
        return meant if meant.isalpha() or meant in "@(-" else match[0]

    return _WRITTEN_OTHERWISE.sub(letter, style)


def styles(sheet: str) -> str:
    """What stays of a sheet after inlining, for phones and dark mode: on few lines, and nothing in it that fetches."""
    text = spelled_out(sheet)
    for _again in range(MOST_LAYERS):  # What is left of uurl()rl(…) fetches as well.
        less = _FETCHES.sub("", text)
        if less == text:
            return " ".join(text.replace("<", "").split())
        text = less
    return ""


_TAGS = frozenset(
    [
        "a",
        "abbr",
        "address",
        "article",
        "aside",
        "b",
        "bdi",
        "bdo",
        "big",
        "blockquote",
        "br",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "font",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "main",
        "mark",
        "nav",
        "ol",
        "p",
        "pre",
        "q",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "section",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "time",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
        "wbr",
    ]
)
_ATTRIBUTES = {
    "*": frozenset(
        [
            "align",
            "aria-describedby",
            "aria-hidden",
            "aria-label",
            "aria-labelledby",
            "aria-roledescription",
            "bgcolor",
            "class",
            "dir",
            "height",
            "id",
            "lang",
            "role",
            "style",
            "title",
            "valign",
            "width",
        ]
    ),
    "a": frozenset({"href", "name", "target"}),
    "img": frozenset({"alt", "border", "hspace", "src", "vspace"}),
    "table": frozenset({"background", "border", "cellpadding", "cellspacing", "summary"}),
    "td": frozenset({"background", "colspan", "headers", "nowrap", "rowspan"}),
    "th": frozenset({"colspan", "headers", "nowrap", "rowspan", "scope"}),
    "col": frozenset({"span"}),
    "colgroup": frozenset({"span"}),
    "font": frozenset({"color", "face", "size"}),
    "ol": frozenset({"start", "type"}),
    "ul": frozenset({"type"}),
    "li": frozenset({"value"}),
    "br": frozenset({"clear"}),
    "hr": frozenset({"color", "noshade", "size"}),
    "time": frozenset({"datetime"}),
}
_CLEANER = {
    "tags": set(_TAGS),
    "clean_content_tags": {
        "script",
        "style",
        "title",
        "template",
        "iframe",
        "object",
        "svg",
        "math",
        "noscript",
        "textarea",
        "select",
    },
    "attributes": {tag: set(names) for tag, names in _ATTRIBUTES.items()},
    "link_rel": None,
    "url_schemes": {"http", "https", "mailto", "tel"},
}
_BAD_STYLE = re.compile(
    r"expression\s*\(|javascript:|-moz-binding|behavior\s*:|@import|image-set\(|cross-fade\(|\bimage\(|\bsrc\(",
    re.IGNORECASE,
)


def _harmless(_: str, attribute: str, value: str) -> str | None:
    if attribute == "style" and (_BAD_STYLE.search(value) or spelled_out(value) != value):
        return None
    # The cleaner checks the schemes of links and pictures, not of this old attribute of tables.
    if attribute == "background" and re.match(r"\s*(?!https?:)[A-Za-z][\w+.-]*:", value):
        return None
    return value


def clean(body: str, *, outlook: bool, ours: re.Pattern[str] | None = None) -> str:
    """Only what a letter needs: no script, form, frame or handler.

    Comments stay when they are Outlook's conditions (if wanted) or hold one of our tokens.
    """
    import nh3

    body = nh3.clean(body, strip_comments=False, attribute_filter=_harmless, **_CLEANER)  # type: ignore[arg-type]
    body = _IMAGE.sub(_no_pixel, body)

    def comment(match: re.Match[str]) -> str:
        kept = (ours and ours.fullmatch(match[1])) or (outlook and _OUTLOOK.match(match[0])) or not match[2]
        return match[0] if kept else ""

    return re.sub(r"<!--(.*?)(-->|\Z)", comment, body, flags=re.DOTALL)


_OUTLOOK = re.compile(r"<!--\s*\[if (?=[^\]]*(?:mso|IE))[^\]]*+\]>|<!--<!\[endif\]-->", re.IGNORECASE)
_IMAGE = re.compile(r"<img\b((?:[^<>\"]|\"[^\"]*\")*+)>")
_PIXEL = tuple(re.compile(rf'\b{side}(?:="|:\s*)0*[01](?:px)?\s*[";]') for side in ("width", "height"))
_ALT = re.compile(r'\balt="([^"]*)"')


def _no_pixel(image: re.Match[str]) -> str:
    """A picture of one pixel counts readers, or holds a table apart, which mail programs no longer need."""
    return "" if all(side.search(image[1]) for side in _PIXEL) else image[0]


def _described(image: re.Match[str]) -> str:
    alt = _ALT.search(image[1])
    if not alt or not alt[1].strip():
        return ""
    return (
        f'<span role="img" aria-label="{alt[1]}" class="noimg" style="display:block;margin:0;padding:24px;'
        f'border:1px solid #1b1d22;font:italic 15px/22px Georgia,serif">{alt[1].replace("<", "&lt;")}</span>'
    )


def without_images(body: str) -> str:
    """Each picture's description in its place; decoration vanishes."""
    return _IMAGE.sub(_described, body)
