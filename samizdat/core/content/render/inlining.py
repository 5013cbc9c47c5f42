"""Style sheets written into the elements, so that a letter looks the same where sheets are not read.

What cannot be written there stays a sheet: rules for phones, dark mode, a pointer above a link. A style attribute beats
every rule, so those that won in the page as it came are marked important, and what lost there goes on losing. Which
elements a selector means is asked of css-inline; whose declaration wins is worked out here.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from samizdat.core.content.render.cleaning import spelled_out
from samizdat.core.content.render.stylesheet import (
    GROUPS,
    MOST_NESTED,
    STYLE,
    Declaration,
    Specificity,
    Statement,
    declarations,
    is_fetched,
    longhands,
    read,
    selectors,
    specificity,
)

if TYPE_CHECKING:
    import css_inline

# Selectors times elements. A large real template has a million.
MOST_MATCHES = 5_000_000
# Selectors that mean an element, and what these declare, over all elements: real ones have ten and thirty for each.
# What is written into the page grows with it.
MOST_MARKS, MOST_DECLARED = 300_000, 400_000
# css-inline compares what it writes into an element with what it has written there: all selectors at once take the
# square of their number for each element (3 ns). Where that may be a second they are asked in groups.
AT_ONCE, GROUP = 300_000_000, 64

type Rank = tuple[Specificity, int]
type Strength = tuple[bool, Rank]
_OF_ATTRIBUTE: Rank = ((1_000_000, 0, 0), 0)

_MEDIA = re.compile(r"\bmedia\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
# What css-inline can tell of an element as it stands in the source.
_STILL = r"not|link|root|empty|(?:first|last|only)-(?:child|of-type)|nth-(?:last-)?(?:child|of-type)"
_MOVING = re.compile(rf":(?!(?:{_STILL})(?![\w-]))[\w-]+(?:\((?:[^()]|\([^()]*\))*\))?", re.IGNORECASE)
_DRAWN = re.compile(r"::|:(?:before|after|first-line|first-letter)\b", re.IGNORECASE)
_PAGE = re.compile(r"(?:^|[\s>+~])(?:html\b|:root\b)[^\s>+~]*$", re.IGNORECASE)
# Names that only a mail program gives, so they mean nothing of the source.
_PROGRAMS = re.compile(
    r"ExternalClass|ReadMsgBody|#outlook\b|x-apple-data|#?MessageViewBody|data-ogs[cb]|\bu\s*\+|moz-text-html"
    r"|\bowa\b|gmail_",
    re.IGNORECASE,
)
_MARKED = re.compile(r' style="((?:--z\d{1,6}: 1;)++)([^"]*+)"')
_NUMBER = re.compile(r"--z(\d{1,6}): 1;")


@dataclass(eq=False, slots=True)
class _Rule:
    """One selector with what it declares. `raised`: those that get an importance which they did not have."""

    selector: str
    declared: tuple[Declaration, ...]
    rank: Rank
    raised: set[int] = field(default_factory=set)

    def counting(self) -> Iterator[tuple[int, Declaration]]:
        """Those that beat a style attribute."""
        for number, declaration in enumerate(self.declared):
            if declaration.important or number in self.raised:
                yield number, declaration

    def strength(self, number: int) -> Strength:
        return self.declared[number].important, self.rank


@dataclass(slots=True)
class _RuleGroup:
    """`rules`: of one statement, a selector each; `inner`: of a group such as @media; `text`: as it stood in the sheet,
    where all of it stays.
    """

    prelude: str = ""
    rules: list[_Rule] = field(default_factory=list)
    inner: "list[_RuleGroup]" = field(default_factory=list)
    text: str = ""


def inlined(page: str, ours: re.Pattern[str]) -> tuple[str, str]:
    """The page without its sheets, and what stays of them. ours: our tokens, which a sheet may hold.

    Errors: css_inline.InlineError, TooManyStyles.
    """
    sheets, page = _taken_out(page)
    style_sheet = _Sheet(ours)
    kept = [
        _RuleGroup(f"@media {media}", inner=[*style_sheet.groups(sheet, True)])
        if media
        else _RuleGroup(inner=[*style_sheet.groups(sheet)])
        for media, sheet in sheets
    ]
    if not style_sheet.asked:
        return _inliner().inline(page.replace(_HERE, "")), _printed(kept)
    size, count = page.count("<"), len(style_sheet.asked)
    if count * size > MOST_MATCHES:
        raise TooManyStyles
    page = (
        _marked(page, style_sheet.asked)
        if count * count * size <= AT_ONCE
        else _marked_in_groups(page, style_sheet.asked)
    )
    keys = Counter(_MARKED.findall(page))
    if _declared(style_sheet, keys) > MOST_DECLARED:
        raise TooManyStyles
    elements = {key: _Element(style_sheet, *key) for key in keys}
    _raise(list(elements.values()))
    written = {key: element.attribute() for key, element in elements.items()}
    page = _MARKED.sub(lambda match: written[match[1], match[2]], page)
    return page, _printed(kept)


class TooManyStyles(Exception):
    """More rules for more elements than any page has: nothing was written into it."""


def _declared(style_sheet: "_Sheet", keys: Counter[tuple[str, str]]) -> int:
    """How many declarations mean an element, over all elements."""
    of = [sum(len(rule.declared) for rule in rules) for rules in style_sheet.by_number]
    return sum(sum(of[int(number)] for number in _NUMBER.findall(marks)) * many for (marks, _), many in keys.items())


def _marked(page: str, asked: dict[str, int]) -> str:
    """The page, each element with the numbers of the selectors that mean it, before its own style."""
    asking = "".join(f"{selector}{{--z{number}:1}}" for selector, number in asked.items())
    return _inliner().inline(page.replace(_HERE, f"<style>{asking}</style>"))


def _marked_in_groups(page: str, asked: dict[str, int]) -> str:
    """The same, some selectors at a time. Every element is marked in each pass, so they are told by their order."""
    every, marks, total = len(asked), list[list[str]](), 0
    selectors_, marked_page = [*asked.items()], page
    for at in range(0, len(selectors_), GROUP):
        marked_page = _marked(page, dict(selectors_[at : at + GROUP]) | {"*": every})
        numbers = [_NUMBER.findall(element) for element, _style in _MARKED.findall(marked_page)]
        total += sum(map(len, numbers)) - len(numbers)
        if total > MOST_MARKS:
            raise TooManyStyles
        marks = [[*before, *more] for before, more in zip(marks or ([] for _ in numbers), numbers, strict=True)]
    element_marks = iter(marks)

    def numbered(element: re.Match[str]) -> str:
        own = "".join(f"--z{number}: 1;" for number in next(element_marks) if int(number) != every)
        return f' style="{own}{element[2]}"' if own or element[2] else ""

    return _MARKED.sub(numbered, marked_page)


_HERE = "<!--\0-->"  # No page holds this sign.


def _taken_out(page: str) -> tuple[list[tuple[str, str]], str]:
    """(for which screens, sheet) of each style element, and the page with a mark where the first one stood."""
    sheets: list[tuple[str, str]] = []

    def taken(match: re.Match[str]) -> str:
        if match[2] is None:
            return match[0]  # A comment; also what a condition shows to Outlook alone.
        media_match = _MEDIA.search(match[1])
        media = html.unescape(media_match[1] or media_match[2] or media_match[3] or "").strip() if media_match else ""
        sheets.append(("" if media.lower() == "all" or "{" in media else media, match[2]))
        return _HERE if len(sheets) == 1 else ""

    page = STYLE.sub(taken, page.replace("\0", ""))
    return sheets, page


class _Sheet:
    """What a page's sheets say. `asked`: selector -> its number, whose elements are wanted; `by_number`: the rules
    with that selector; `written`: rules that go into elements.
    """

    def __init__(self, ours: re.Pattern[str]) -> None:
        self.ours = ours
        self.asked: dict[str, int] = {}
        self.by_number: list[list[_Rule]] = []
        self.written: list[_Rule] = []
        self.still: set[int] = set()  # ids of those in `written`
        self.order = 0

    def groups(self, sheet: str, nested: bool = False, depth: int = 0) -> Iterator[_RuleGroup]:
        """What stays of a sheet, or of the block of a group."""
        for statement in read(sheet):
            if is_fetched(statement):
                continue
            if self.ours.search(statement.prelude):
                # For somebody to say that no tag can stand there.
                yield _RuleGroup(text=sheet[statement.start : statement.end])
            elif statement.block is None:
                continue
            elif not statement.keyword:
                yield self._rules(statement, nested)
            elif statement.keyword not in GROUPS:
                yield _RuleGroup(text=f"{statement.prelude}{{{statement.block}}}")
            elif depth < MOST_NESTED:
                yield _RuleGroup(statement.prelude, inner=[*self.groups(statement.block, True, depth + 1)])

    def _rules(self, statement: Statement, nested: bool) -> _RuleGroup:
        self.order += 1
        kept, declared, every = _RuleGroup(), declarations(statement.block or ""), selectors(statement.prelude)
        for selector in every if declared else ():
            rule = _Rule(selector, declared, (specificity(selector), self.order))
            apart = bool(_DRAWN.search(selector) or _PAGE.search(selector) or _PROGRAMS.search(selector))
            if nested or apart or _MOVING.search(selector):
                kept.rules.append(rule)
                if not apart:
                    self._ask(_at_rest(selector), rule)
            else:
                # Letters behind a backslash hide an address from whoever looks for one.
                rule.declared = tuple(
                    declaration for declaration in declared if spelled_out(declaration.value) == declaration.value
                )
                self.written.append(rule)
                self.still.add(id(rule))
                self._ask(selector, rule)
        if len(kept.rules) == len(every):
            kept.text = f"{statement.prelude} {{{statement.block}}}"
        return kept

    def _ask(self, selector: str, rule: _Rule) -> None:
        number = self.asked.setdefault(selector, len(self.asked))
        if number == len(self.by_number):
            self.by_number.append([])
        self.by_number[number].append(rule)


def _at_rest(selector: str) -> str:
    """What it means while nobody points at anything."""

    def less(match: re.Match[str]) -> str:
        before, after = selector[: match.start()][-1:], selector[match.end() :][:1]
        return "*" if (not before or before in " >+~(") and (not after or after in " >+~)") else ""

    return _MOVING.sub(less, selector)


class _Element:
    """All elements that the same selectors mean and that have the same style attribute."""

    def __init__(self, read: _Sheet, marks: str, style: str) -> None:
        rules = {id(rule): rule for number in _NUMBER.findall(marks) for rule in read.by_number[int(number)]}
        self.style = style
        self.own = declarations(html.unescape(style))
        self.kept = [rule for key, rule in rules.items() if key not in read.still]
        base = sorted((rule for key, rule in rules.items() if key in read.still), key=lambda rule: rule.rank)
        # (important, rank, declaration) in the order in which a later one wins.
        self.cascade = sorted(
            [
                *((declaration.important, rule.rank, declaration) for rule in base for declaration in rule.declared),
                *((declaration.important, _OF_ATTRIBUTE, declaration) for declaration in self.own),
            ],
            key=lambda entry: entry[:2],
        )
        self.strongest = {
            name: (important, rank)
            for important, rank, declaration in self.cascade
            for name in longhands(declaration.name)
        }

    def wins(self, rule: _Rule, declaration: Declaration) -> bool:
        """Whether a declaration that stays in the sheet beat what is written into these elements."""
        there = (self.strongest.get(name) for name in longhands(declaration.name))
        return any(strength is not None and strength < (declaration.important, rule.rank) for strength in there)

    def attribute(self) -> str:
        """Without what is overridden."""
        against = _Span()
        for rule in self.kept:
            for number, declaration in rule.counting():
                against.add(longhands(declaration.name), rule.strength(number))
        important = any(entry[0] for entry in self.cascade)
        if not important and not any(self._loses(name, least) for name, (least, _most) in against.items()):
            written = [declaration.written(False) for declaration in self._unbeaten()]
            return _attribute("".join(f"{text};" for text in written), self.style)
        texts = []
        for is_important, rank, declaration in self._seen():
            met = [against[name] for name in longhands(declaration.name) if name in against]
            if any(most > (is_important, rank) for _least, most in met):
                is_important = False
            elif any(least < (is_important, rank) for least, _most in met):
                is_important = True
            texts.append(declaration.written(is_important))
        return _attribute(";".join(texts), "")

    def _loses(self, name: str, least: Strength) -> bool:
        """Whether something that stays in the sheet, which beats a style attribute, lost to one of these elements."""
        return name in self.strongest and self.strongest[name] > least

    def _seen(self) -> list[tuple[bool, Rank, Declaration]]:
        """What no later rule takes back; in one rule, an older way to say something stays beside the newer."""
        kept: list[tuple[bool, Rank, Declaration]] = []
        behind: dict[str, Rank] = {}
        for important, rank, declaration in reversed(self.cascade):
            names = longhands(declaration.name)
            if not all(name in behind and behind[name] != rank for name in names):
                kept.append((important, rank, declaration))
            behind |= {name: rank for name in names if name not in behind}
        return kept[::-1]

    def _unbeaten(self) -> Iterator[Declaration]:
        for _important, rank, declaration in self._seen():
            if rank is not _OF_ATTRIBUTE:
                yield declaration


def _attribute(css: str, style: str) -> str:
    if '"' in css and "'" not in css:
        css = css.replace('"', "'")
    whole = html.escape(css, quote=False).replace('"', "&quot;") + style
    return f' style="{whole}"' if whole else ""


class _Span(dict[str, tuple[Strength, Strength]]):
    """Property -> the least and the greatest strength of what declares it. Of thousands of rules for one element no two
    are compared with each other."""

    def add(self, names: frozenset[str], strength: Strength) -> None:
        for name in names:
            least, most = self.get(name, (strength, strength))
            self[name] = min(least, strength), max(most, strength)

    def begins_below(self, names: frozenset[str], rank: Rank) -> bool:
        """Whether any of these is declared by something of a lower rank."""
        return any(name in self and self[name][0][1] < rank for name in names)


# Rules that are raised because of others that were, for other elements, and so on: real sheets need two rounds.
MOST_ROUNDS = 20


def _raise(elements: list[_Element]) -> None:
    """Rules that stay and won in the page as it came get an importance; one that lost everywhere does not."""
    for element in elements:
        before = _Span()  # What was important always, and is weaker than others would be, were they important too.
        for rule in element.kept:
            for declaration in rule.declared:
                if declaration.important:
                    before.add(longhands(declaration.name), (True, rule.rank))
        for rule in element.kept:
            for number, declaration in enumerate(rule.declared):
                stops = before.begins_below(longhands(declaration.name), rule.rank)
                if not declaration.important and not stops and element.wins(rule, declaration):
                    rule.raised.add(number)
    for _round in range(MOST_ROUNDS):  # Whoever came behind one that is raised now must go on coming behind it.
        changed = [_raise_followers(element) for element in elements]
        if not any(changed):
            return


def _raise_followers(element: _Element) -> bool:
    """Raises what comes behind one that is raised, on the same elements, for the same thing; whether there was any."""
    raised, changed = _Span(), False
    for rule in sorted(element.kept, key=lambda rule: rule.rank):
        for number, declaration in enumerate(rule.declared):
            names = longhands(declaration.name)
            if not declaration.important and number not in rule.raised and raised.begins_below(names, rule.rank):
                rule.raised.add(number)
                changed = True
        for number in rule.raised:
            raised.add(longhands(rule.declared[number].name), (True, rule.rank))
    return changed


def _block(rule: _Rule, raised: frozenset[int] = frozenset()) -> str:
    return ";".join(
        declaration.written(declaration.important or number in raised)
        for number, declaration in enumerate(rule.declared)
    )


def _printed(groups: list[_RuleGroup]) -> str:
    return " ".join(filter(None, map(_group, groups)))


def _group(group: _RuleGroup) -> str:
    if group.text and not any(rule.raised for rule in group.rules):
        return group.text
    rules = ""
    by_raised: dict[frozenset[int], list[_Rule]] = {}
    for rule in group.rules:
        by_raised.setdefault(frozenset(rule.raised), []).append(rule)
    for raised, same in by_raised.items():
        rules += f"{','.join(rule.selector for rule in same)}{{{_block(same[0], raised)}}}"
    inner = rules + _printed(group.inner)
    return f"{group.prelude}{{{inner}}}" if group.prelude and inner else inner


@lru_cache(maxsize=1)
def _inliner() -> "css_inline.CSSInliner":
    import css_inline  # In processes that render, and in none of the others.

    # Nothing is fetched, whatever a pasted document links to.
    return css_inline.CSSInliner(keep_style_tags=False, load_remote_stylesheets=False)
