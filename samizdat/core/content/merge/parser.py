"""Reading a source into the tree, with its flaws. Nothing that looks like a tag is left in a text node."""

import difflib
import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from samizdat.core.content.merge.tag_names import BY_PLACE, FLAGS, MAILCHIMP, NUMBERED, OURS, gone
from samizdat.core.content.merge.tree import (
    GROUPS,
    TAGGED,
    Branch,
    IfBlock,
    MergeCondition,
    MergeTag,
    Node,
    Text,
    Tree,
    escaped_group,
)
from samizdat.core.content.problems import ContentProblem

MAX_TAGS = 2_000  # a letter has some thirty; the chain behind is quick, the page of flaws would not be
MAX_DEPTH = 20

_TOKEN = re.compile(
    # a condition in a comment takes the comment with it; any other comment is skipped whole, tags and all
    r"(?P<wrapped><!--[ \t]*\*\|(?P<comment>(?:(?!\*\||-->)[^\n])*?)\|\*[ \t]*-->)"
    r"|(?P<hidden><!--(?!\s*\[if|\s*<!\[|>))"
    r"|\*\|(?P<mailchimp>(?:(?!\*\|)[^\n])*?)\|\*"
    r"|\{\{(?P<value>(?:(?!\{\{)[^\n])*?)\}\}"
    r"|\{%(?P<block>(?:(?!\{%)[^\n])*?)%\}"
    r"|(?P<open>\*\||\{\{|\{%)|(?P<close>\|\*|%\})",
    re.DOTALL,
)
_CLOSER = {"*|": "|*", "{{": "}}", "{%": "%}"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}$")
_MAILCHIMP_CONDITION = re.compile(r"([A-Za-z][\w:]*)\s*(?:(!=|<=|>=|=|<|>)\s*(.*))?$", re.DOTALL)
_OUR_CONDITION = re.compile(
    r"(not\s+)?([A-Za-z]\w*)\s*(?:(==|!=|<=|>=|=|<|>)\s*(\"[^\"]*\"|'[^']*'|[-+]?\d+(?:[.,]\d+)?))?$"
)
_OUR_GROUP = re.compile(r"(not\s+)?tagged\s+(\"[^\"]+\"|'[^']+')$")
_FILTER = re.compile(r"(default|date)\s*(?::\s*|\(\s*)(\"[^\"]*\"|'[^']*')\s*\)?$|(url)$")
_DATE_OF_OURS = re.compile(r"date\s*:\s*(\"[^\"]*\"|'[^']*')$")


def parse(source: str, fields: Iterable[str] = (), *, comments: bool = True, place: str = "body") -> Tree:
    """Read a source into nodes and flaws.

    `fields` are the merge fields of the organization in upper case; every other name that is not built in is a
    flaw. `comments` says whether `<!-- -->` is a comment here (HTML) or ordinary text (Markdown, a subject).
    """
    return _MergeParser(source, frozenset(fields), comments, place).read()


def written(source: str) -> Iterator[tuple[str, int, int]]:
    """Every tag as it stands in a page, without the comment around it; and where it begins and ends."""
    for match in _TOKEN.finditer(source):
        if match.lastgroup in ("wrapped", "comment", "mailchimp", "value", "block"):
            yield re.sub(r"^<!--\s*|(?<!\s)\s*-->$", "", match[0]), match.start(), match.end()


def without(source: str, flaw: ContentProblem) -> str:
    """The source with the flaw's tag cut out: what the button "remove" does. A link around it goes along."""
    if flaw.fix != "remove" or not 0 <= flaw.start < flaw.end <= len(source):
        raise ValueError("This flaw cannot be removed by itself. Change the line by hand.")
    return source[: flaw.start] + source[flaw.end :]


@dataclass(slots=True)
class _OpenCondition:
    """A condition being read: finished branches, and the nodes of the one that is open."""

    written: str
    line: int
    closer: str
    condition: MergeCondition | None
    nodes: list[Node] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)

    def turn(self, condition: MergeCondition | None) -> None:
        self.branches.append(Branch(self.condition, tuple(self.nodes)))
        self.condition, self.nodes = condition, []

    def close(self) -> IfBlock:
        self.turn(None)
        return IfBlock(tuple(self.branches), self.line)


class _MergeParser:
    def __init__(self, source: str, fields: frozenset[str], comments: bool, place: str) -> None:
        self.source, self.fields, self.comments, self.place = source, fields, comments, place
        self.nodes: list[Node] = []
        self.stack: list[_OpenCondition] = []
        self.flaws: list[ContentProblem] = []
        self.line = 1
        self.at = 0

    def read(self) -> Tree:
        tags = 0
        position = 0
        while match := _TOKEN.search(self.source, position):
            kind = match.lastgroup or ""
            if kind in ("wrapped", "hidden", "comment") and not self.comments:
                # Here `<!--` is text: step over it and look at the tag inside on its own.
                self._text(match.start() + 4)
                position = match.start() + 4
                continue
            self._text(match.start())
            position = self._take(match)
            self._count(position)
            tags += 1
            if tags > MAX_TAGS:
                self._flaw("tag_many", limit=str(MAX_TAGS))
                break
        self._text(len(self.source))
        for left in self.stack:
            self.flaws.append(
                ContentProblem(left.line, "if_endless", {"tag": left.written, "end": left.closer}, place=self.place)
            )
        while self.stack:
            self._close()
        return Tree(tuple(self.nodes), tuple(self.flaws))

    def _text(self, end: int) -> None:
        if end > self.at:
            self._add(Text(self.source[self.at : end], self.line))
            self._count(end)

    def _count(self, end: int) -> None:
        self.line += self.source.count("\n", self.at, end)
        self.at = end

    def _add(self, node: Node) -> None:
        (self.stack[-1].nodes if self.stack else self.nodes).append(node)

    def _flaw(self, code: str, match: re.Match[str] | None = None, *, fix: str | None = None, **values: str) -> None:
        start, end = match.span() if match else (0, 0)
        if match:
            values.setdefault("tag", _short(match[0]))
        if fix == "remove":
            start, end = _link_around(self.source, start, end)
        self.flaws.append(ContentProblem(self.line, code, values, fix, "stop", self.place, start, end))

    def _take(self, match: re.Match[str]) -> int:
        """Take up one token; where reading goes on."""
        if match.lastgroup == "hidden":
            return self._comment(match)
        self._tag_or_block(match)
        return match.end()

    def _comment(self, match: re.Match[str]) -> int:
        end = self.source.find("-->", match.end())
        if end < 0:
            self._flaw("comment_endless", match)
            return match.end()
        # Comments are not sent, so what stands in them is nobody's business. Lines keep their numbers.
        self._add(Text("\n" * self.source.count("\n", match.start(), end), self.line))
        return end + 3

    def _tag_or_block(self, match: re.Match[str]) -> None:
        match match.lastgroup:
            case "open":
                self._flaw("tag_endless", match, tag=_short(self._rest(match.start())), end=_CLOSER[match[0]])
            case "close":
                # Lone closers are ordinary in text and CSS ("50%}"), so only Mailchimp's is worth a word.
                if match[0] == "|*":
                    self._flaw("tag_stray_end", match, fix="remove")
                else:
                    self._add(Text(match[0], self.line))
            case "value":
                self._value(match, html.unescape(match["value"]).strip())
            case "block":
                self._block(match, html.unescape(match["block"]).strip())
            case _:
                inner = match["comment"] if match["wrapped"] else match["mailchimp"]
                self._mailchimp(match, html.unescape(inner).strip())

    def _rest(self, start: int) -> str:
        return self.source[start : start + 60].split("\n", 1)[0]

    # --- values ---

    def _value(self, match: re.Match[str], inner: str) -> None:
        name, *filters = _split_filters(inner)
        if dated := _DATE_OF_OURS.match(name):
            self._tag(match, "date", argument=dated[1][1:-1])
            return
        if not _NAME.match(name):
            self._flaw("tag_unread", match)
            return
        default: str | None = None
        argument = ""
        url = False
        for words in filters:
            filter_match = _FILTER.match(words)
            if not filter_match:
                self._flaw("filter_unknown", match, filter=_short(words))
                return
            if filter_match[1] == "default":
                default = filter_match[2][1:-1]
            elif filter_match[1]:
                argument = filter_match[2][1:-1]
            else:
                url = True
        canonical = OURS.get(name) or self._field(name)
        if canonical is None:
            self._unknown(match, name, "{{ %s }}")
        else:
            self._tag(match, canonical, default, url, argument)

    def _unknown(self, match: re.Match[str], name: str, shape: str) -> None:
        """A name that nobody knows: with the one that was probably meant, where one is near."""
        known = self._known()
        values = {"tag": _short(name if shape == "{{ %s }}" else match[0])}
        if BY_PLACE.match(name):
            self._flaw("tag_place", match, fix="remove", known=_some(known), **values)
            return
        words = [*known, "EMAIL", *(MAILCHIMP if shape != "{{ %s }}" else OURS)]
        near = difflib.get_close_matches(name.upper() if shape != "{{ %s }}" else name, words, 1, 0.75)
        near = near or difflib.get_close_matches(name.upper(), known, 1, 0.75)
        if near:
            self._flaw("tag_near", match, fix="remove", near=shape % near[0], **values)
        else:
            self._flaw("tag_unknown", match, fix="remove", **values)

    def _known(self) -> list[str]:
        return sorted(name for name in self.fields if ":" not in name)

    def _field(self, name: str) -> str | None:
        upper = name.upper()
        return upper if upper in self.fields or upper == "EMAIL" else None

    def _tag(
        self, match: re.Match[str], name: str, default: str | None = None, url: bool = False, argument: str = ""
    ) -> None:
        self._add(MergeTag(name, default, url, argument, self.line, match.start(), match.end(), match[0]))

    # --- Mailchimp ---

    def _mailchimp(self, match: re.Match[str], inner: str) -> None:
        word, _, rest = inner.partition(":")
        if word in ("IF", "IFNOT", "ELSEIF", "ELSE", "INTERESTED") or inner in ("END:IF", "END:INTERESTED"):
            self._mailchimp_condition(match, word, rest)
        elif inner in MAILCHIMP:
            self._tag(match, MAILCHIMP[inner])
        elif word == "DATE":
            self._tag(match, "date", argument=rest)
        elif code := gone(inner):
            self._flaw(code, match, fix="remove")
        elif inner in NUMBERED:
            self._flaw("tag_personal", match, fix="remove")
        else:
            url = word == "URL"
            # *|HTML:TAG|* asks for raw HTML from a subscriber's field; that door stays shut, their text is escaped.
            asked = rest if word in ("URL", "HTML") and rest else inner
            name = MAILCHIMP.get(asked) or self._field(asked)
            if name is None:
                self._unknown(match, asked, "*|%s|*")
            else:
                self._tag(match, name, url=url)

    def _mailchimp_condition(self, match: re.Match[str], word: str, rest: str) -> None:
        if word == "END":
            self._end(match)
        elif word == "ELSE":
            self._turn(match, None)
        else:
            condition = self._mailchimp_test(word, rest)
            if isinstance(condition, str):
                values = {"group": _short(rest.partition(":")[0])} if condition == "group_unknown" else {}
                self._unreadable(match, condition, word != "ELSEIF", _mailchimp_end(word), **values)
            elif word == "ELSEIF":
                self._turn(match, condition)
            else:
                self._open(match, condition, _mailchimp_end(word))

    def _mailchimp_test(self, word: str, rest: str) -> MergeCondition | str:
        """A condition, or the code of what is wrong with it."""
        if word == "INTERESTED":
            category, _, groups = rest.partition(":")
            name = f"{GROUPS}{category.strip()}"
            if not groups.strip():
                return "if_unread"
            return MergeCondition(name, "any", groups) if name in self.fields else "group_unknown"
        match = _MAILCHIMP_CONDITION.match(rest.strip())
        if not match or (word == "IFNOT" and match[2]):
            return "if_unread"
        return self._condition(match[1], match[2] or "", (match[3] or "").strip(), word == "IFNOT")

    def _condition(self, name: str, operator: str, value: str, negated: bool) -> MergeCondition | str:
        canonical = FLAGS.get(name) or MAILCHIMP.get(name) or OURS.get(name) or self._field(name)
        if canonical is None:
            return "tag_place" if BY_PLACE.match(name) else "tag_unknown"
        if negated and operator:
            return "if_unread"
        return MergeCondition(canonical, operator or ("lacks" if negated else "has"), value)

    # --- conditions ---

    def _block(self, match: re.Match[str], inner: str) -> None:
        word, _, rest = inner.partition(" ")
        if word in ("endif", "end"):
            self._end(match)
        elif word == "else" and not rest.strip():
            self._turn(match, None)
        elif word in ("if", "elif", "elsif", "elseif"):
            condition_match = _OUR_CONDITION.match(rest.strip())
            condition: MergeCondition | str = "if_unread"
            if tagged := _OUR_GROUP.match(rest.strip()):
                condition = self._tagged(tagged[2][1:-1], bool(tagged[1]))
            elif condition_match:
                value = condition_match[4] or ""
                condition = self._condition(
                    condition_match[2],
                    (condition_match[3] or "").replace("==", "="),
                    value.strip("\"'"),
                    bool(condition_match[1]),
                )
            if isinstance(condition, str):
                values = {"group": _short(tagged[2][1:-1])} if tagged else {}
                self._unreadable(match, condition, word == "if", "{% endif %}", **values)
            elif word == "if":
                self._open(match, condition, "{% endif %}")
            else:
                self._turn(match, condition)
        else:
            self._flaw("tag_unread", match)

    def _tagged(self, name: str, negated: bool) -> MergeCondition | str:
        known = f"{TAGGED}{name.casefold()}" in self.fields
        return MergeCondition(GROUPS, "none" if negated else "any", escaped_group(name)) if known else "tagged_unknown"

    def _unreadable(self, match: re.Match[str], code: str, opens: bool, closer: str, **values: str) -> None:
        """Note the flaw, and go on as if the condition were there, so that its end is not called stray as well."""
        if code == "tag_place":
            values |= {"tag": _PLACE.search(match[0])[0], "known": _some(self._known())}  # type: ignore[index]
        self._flaw(code, match, **values)
        if opens:
            self._open(match, MergeCondition("", "has"), closer)
        elif self.stack:
            self.stack[-1].turn(MergeCondition("", "has"))

    def _open(self, match: re.Match[str], condition: MergeCondition, closer: str) -> None:
        if len(self.stack) == MAX_DEPTH:
            self._flaw("if_deep", match, limit=str(MAX_DEPTH))
        # Deeper ones are still kept on the stack, a flaw stops the letter; MAX_TAGS bounds the depth.
        self.stack.append(_OpenCondition(_short(match[0]), self.line, closer, condition))

    def _turn(self, match: re.Match[str], condition: MergeCondition | None) -> None:
        if not self.stack:
            self._flaw("else_alone", match, fix="remove")
        elif self.stack[-1].condition is None:
            self._flaw("else_late", match)
        else:
            self.stack[-1].turn(condition)

    def _end(self, match: re.Match[str]) -> None:
        if self.stack:
            self._close()
        else:
            self._flaw("else_alone", match, fix="remove")

    def _close(self) -> None:
        closed = self.stack.pop().close()
        if len(self.stack) < MAX_DEPTH:
            self._add(closed)


def _mailchimp_end(word: str) -> str:
    return "*|END:INTERESTED|*" if word == "INTERESTED" else "*|END:IF|*"


def _split_filters(inner: str) -> list[str]:
    """`FNAME | default: "a|b"` -> `FNAME`, `default: "a|b"`: bars inside quotes do not count."""
    return [part.strip() for part in re.findall(r"(?:[^|\"']|\"[^\"]*\"|'[^']*'|[\"'])+", inner)] or [""]


_PLACE = re.compile(r"M?MERGE\d+", re.IGNORECASE)


def _some(known: list[str]) -> str:
    return ", ".join(known[:12]) or "EMAIL"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."


_ANCHOR_OPEN = re.compile(r"<a\b[^<>]*$", re.IGNORECASE)
_ANCHOR_CLOSE = re.compile(r"[^<>]*>(?:(?!<a\b).){0,2000}?</a\s*>", re.IGNORECASE | re.DOTALL)
_MARKDOWN_OPEN = re.compile(r"!?\[[^\[\]\n]{0,500}\]\(\s*<?$")
_MARKDOWN_CLOSE = re.compile(r">?[^()\n]{0,200}\)")


def _link_around(source: str, start: int, end: int) -> tuple[int, int]:
    """Widen the cut to the whole link when the tag is its address: a link to nowhere helps nobody."""
    before = source[max(0, start - 2_000) : start]
    offset = start - len(before)
    for opening, closing in ((_ANCHOR_OPEN, _ANCHOR_CLOSE), (_MARKDOWN_OPEN, _MARKDOWN_CLOSE)):
        if (opened := opening.search(before)) and (closed := closing.match(source, end)):
            return offset + opened.start(), closed.end()
    return start, end
