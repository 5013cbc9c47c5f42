"""The few words that blocks bring along, in the language of the letter; English where we have none."""

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "details": "Details",
        "watch": "Watch the video",
        "give": "How to give",
        "counted": "Only how often each answer is given is counted, not who gives it.",
        "moment": "l, F j, Y, H:i",
        "warning": "If you live in Russia, do not give from a Russian bank card or account. "
        "A gift to us can be punished. Reading costs nothing and helps as well.",
    },
    "ru": {
        "details": "Подробнее",
        "watch": "Смотреть видео",
        "give": "Как поддержать",
        "counted": "Считается только, сколько раз дан каждый ответ, а не кто его дал.",
        "moment": "l, j F Y, H:i",
        "warning": "Если вы живёте в России, не переводите деньги с российской карты или счёта: за перевод нам могут "
        "наказать. Читать нас ничего не стоит, и это тоже помощь.",
    },
}


def words(language: str) -> dict[str, str]:
    return WORDS.get(language.split("-")[0].lower(), WORDS["en"])
