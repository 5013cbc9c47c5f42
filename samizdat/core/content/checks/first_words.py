"""What the starter templates say to whoever writes (templates/starters): subscribers should never see it."""

import json
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any

PLACEHOLDERS = (
    # letter
    "Your headline: what this email is about",
    "Start with what happened and where.",
    "Then say why it matters, and what you saw yourself.",
    "End with one thing your readers can do:",
    "Заголовок: о чём это письмо",
    "Начните с того, что случилось и где.",
    "Потом скажите, почему это важно для читателя",
    "Закончите одним делом:",
    # digest
    "Headline of the main story",
    "What happened and why it matters, in three or four sentences.",
    "Headline of the second story",
    "Headline of the third story",
    "What happened, in two sentences.",
    "Заголовок главной новости",
    "Что случилось и почему это важно, в трёх-четырёх предложениях.",
    "Заголовок второй истории",
    "Заголовок третьей истории",
    "Что случилось, в двух предложениях.",
    # appeal
    "What’s needed and by when",
    "Tell the story of one person or one day.",
    "What the money is for, how much you have and how much is missing.",
    "Что нужно и к какому сроку",
    "Расскажите об одном человеке или об одном дне.",
    "На что пойдут деньги, сколько уже есть и сколько не хватает.",
    # event
    "Headline: come on Friday",
    "Заголовок: приходите в пятницу",
    "Who’s speaking, about what, and who it’s for.",
    "Name of the event",
    "Where: street, floor, entrance",
    "How to get there, and how to join online.",
    "Some people can’t show their faces:",
    "Кто выступает, о чём и для кого это.",
    "Название события",
    "Где: улица, этаж, вход",
    "Как добраться и как участвовать онлайн.",
    "Некоторым нельзя показывать лицо:",
    # alert
    "What happened, in one sentence:",
    "First, the thing that can’t wait.",
    "Then who to call: a phone number, a lawyer, a chat.",
    "What not to do, and why.",
    "What we know for certain and what we don’t know yet. Say when",
    "Что случилось, одним предложением:",
    "Сначала то, что не может ждать.",
    "Потом кому звонить: номер, адвокат, чат.",
    "Чего не делать и почему.",
    "Что мы знаем точно и чего ещё не знаем. Скажите",
)


def is_untouched(body: str) -> bool:
    """Whether a draft in blocks is a starter template to which nobody has changed anything yet."""
    return any(words in body for words in _HEADLINES) and _bare(body) in _starters()


# One of these is in each of them: most drafts need not be read for that.
_HEADLINES = tuple(json.dumps(words, ensure_ascii=False)[1:-1] for words in PLACEHOLDERS)


def samples(body: str) -> list[str]:
    """Which lines and paragraphs of a draft in blocks are, word for word, those of a starter template."""
    if not any(words in body for words in _HEADLINES):
        return []
    try:
        texts = _texts(json.loads(body))
    except (ValueError, RecursionError):
        return []
    return sorted(_sample_texts().intersection(texts))


@lru_cache(maxsize=1)
def _starters() -> frozenset[str]:
    return frozenset(map(_bare, _bodies()))


@lru_cache(maxsize=1)
def _sample_texts() -> frozenset[str]:
    return frozenset(text for body in _bodies() for text in _texts(json.loads(body)))


def _bodies() -> Iterator[str]:
    folder = files("samizdat.core").joinpath("templates/starters")
    return (file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".json"))


def _texts(node: Any) -> Iterator[str]:
    """The words of each paragraph and heading, without marks and line breaks."""
    children = node.get("content", ()) if isinstance(node, dict) else ()
    if any(child.get("type") == "text" for child in children):
        yield "".join(child.get("text", "") for child in children)
    for child in children:
        yield from _texts(child)


def _bare(body: str) -> str:
    """A document without the names of its blocks, in one spelling."""
    try:
        return json.dumps(_without_ids(json.loads(body)), sort_keys=True)
    except (ValueError, RecursionError):
        return ""


def _without_ids(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_ids(child) for child in node]
    if not isinstance(node, dict):
        return node
    # An empty "attrs" is how a document that has passed the parser may or may not say nothing.
    kept = {key: _without_ids(value) for key, value in node.items() if key != "id"}
    return {key: value for key, value in kept.items() if value not in ({}, [])}
