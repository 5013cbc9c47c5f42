"""Makes a Mailchimp audience export of any size out of invented people, the same for the same seed.

    python -m samizdat.cli.demo.export export.zip 1000000

For benchmarks the addresses are invented names at real mailbox providers, so that the split by provider looks
like a real list; such a file is never sent to. What may be sent has addresses that nobody can have: those of the demo
are marked (parameters.MARK), others use `domains=EXAMPLE`.
"""

import argparse
import hashlib
import os
import time
import zipfile
from collections.abc import Iterator, Sequence
from random import Random

# Share of each domain in ten, about as lists in Eastern Europe have it.
PROVIDERS = (
    *("gmail.com",) * 8, *("mail.ru",) * 3, *("yandex.ru",) * 3, "outlook.com", "hotmail.com", "yahoo.com",
    "icloud.com", "proton.me", "gmx.net", "rambler.ru", "ukr.net", "seznam.cz", "web.de", "inbox.lv", "bk.ru",
)  # fmt: skip
EXAMPLE = (
    *("post.example",) * 5, *("mail.example",) * 4, "lantern.example", "kiosk.example", "verlag.example",
    "pochta.example", "radio.example", "school.example", "xn--80a1acny.example",
)  # fmt: skip
FIRST = (
    "Anna", "Boris", "Clara", "Dmitri", "Elena", "Filip", "Greta", "Hanna", "Igor", "Jana", "Karl", "Lena", "Marta",
    "Nikolai", "Olga", "Pavel", "Rita", "Sofia", "Tomas", "Vera", "Анна", "Борис", "Вера", "Галина", "Дмитрий",
    "Елена", "Иван", "Ксения", "Людмила", "Мария", "Николай", "Ольга", "Пётр", "Светлана", "Татьяна", "Юлия",
)  # fmt: skip
LAST = (
    "Ozola", "Berg", "Novak", "Lind", "Kovac", "Weber", "Marin", "Sild", "Horvat", "Petrov", "Kask", "Jansen",
    "O'Neil", "Müller", "Иванова", "Смирнов", "Кузнецова", "Попов", "Соколова", "Лебедев", "Морозова", "Волков",
)  # fmt: skip
LATIN = dict(zip("абвгдеёзийклмнопрстуфыэü", "abvgdeeziyklmnoprstufyeu", strict=True)) | {
    "ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sh", "ю": "yu", "я": "ya", "ь": "", "'": "",
}  # fmt: skip
CITIES = ("Riga", "Vilnius", "Tallinn", "Berlin", "Praha", "Tbilisi", "Yerevan", "Москва", "Казань", "Минск", "")
COMPANIES = ("", "", "", "", "Northern Lantern", '"Court Diary, Ltd"', "Школа № 7", "Kiosk")
POSITIONS = ("", "", "", "Editor", "Teacher", "Engineer", "Юрист")
HEARD = ("", "", "a friend", "Telegram", "от подруги", "the radio")
GROUPS = ("", "", "Letters", '"Letters, Courts"', '"Courts, Prisons\\, camps"', '"Letters, Courts, Poetry"', "Poetry")
TAGS = ("", "", '"""monthly"""', '"""monthly"",""volunteer"""', '"""member 2021"",""monthly"""', '"""Книга, том 2"""')
ADDRESSES = ("", "", "", "1 Harbour Street  Riga    LV-1010  LV", "ул. Мира 5  кв. 12  Казань    420000  RU")
PLACES = (
    '56.9496,24.1052,2,3,Europe/Riga,LV,""', '55.7887,49.1221,3,3,Europe/Moscow,RU,TA',
    '52.5200,13.4050,1,2,Europe/Berlin,DE,BE', ',,,,,,', "41.7151,44.8271,4,4,Asia/Tbilisi,GE,",
)  # fmt: skip
NOTES = (*("",) * 40, '"Called in March.\nWants the letter on paper."')
REASONS = ("N/A,", "NORMAL,", "OTHER,too many letters", "INAPPROPRIATE,", ",")

FIELDS = (
    "Email Address,First Name,Last Name,Address,Phone Number,Birthday,Company,Position,City,Language,"
    "How did you hear of us,Interests"
)
SYSTEM = "MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION"
BLOCKS = {
    "subscribed": "LAST_CHANGED",
    "unsubscribed": "UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER",
    "cleaned": "CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID",
    "nonsubscribed": "LAST_CHANGED",
}
TAIL = "LEID,EUID,NOTES,TAGS"
# Extra columns that bring the subscribed file to 30.
EXTRA = "ZIP Code"

SHARES = {"subscribed": 0.84, "unsubscribed": 0.10, "cleaned": 0.05, "nonsubscribed": 0.01}
BLOCK = 10_000  # rows written at once


def make_mailchimp_export(
    path: str | os.PathLike[str],
    rows: int,
    seed: int = 1,
    domains: Sequence[str] = PROVIDERS,
    shares: dict[str, float] = SHARES,
    mark: str = "",
) -> dict[str, int]:
    """Write a zip of the four files of an export. Gives back how many rows each status has.

    Every address occurs once, with `mark` before its @. About 7 us a row, two thirds of it zlib.
    """
    counts = {status: int(rows * share) for status, share in shares.items()}
    counts["subscribed"] += rows - sum(counts.values())
    code = hashlib.sha256(f"{seed}/{rows}".encode()).hexdigest()[:10]
    first = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as box:
        for status, count in counts.items():
            # A fixed date in the directory, or two runs would differ in bytes.
            info = zipfile.ZipInfo(f"{status}_email_audience_export_{code}.csv", (2022, 3, 19, 10, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            with box.open(info, "w") as file:
                for block in _blocks(
                    status, first, count, Random(f"{seed}/{status}"), [f"{mark}@{name}" for name in domains]
                ):
                    file.write(block)
            first += count
    return counts


def heading(status: str) -> str:
    return f"{FIELDS},{EXTRA},{SYSTEM},{BLOCKS[status]},{TAIL}\n"


def _blocks(status: str, first: int, count: int, random: Random, domains: Sequence[str]) -> Iterator[bytes]:
    yield heading(status).encode()
    people = _people(random)
    days = [
        f"20{year:02}-{month:02}-{day:02}" for year in range(12, 22) for month in range(1, 13) for day in range(1, 29)
    ]
    for start in range(first, first + count, BLOCK):
        numbers = range(start, min(start + BLOCK, first + count))
        yield "".join(_rows(status, numbers, random, domains, people, days)).encode()


def _people(random: Random) -> list[tuple[str, str]]:
    """(local part, "First,Last" cells): 4,096 pairs to draw from, some with the blanks that real exports have."""
    people = []
    for _ in range(4096):
        first, last = random.choice(FIRST), random.choice(LAST)
        local = "".join(LATIN.get(sign, sign) for sign in f"{first}.{last}".lower())
        blank = " " if random.random() < 0.01 else ""
        people.append((local, random.choice((f"{first},{last}",) * 6 + (f"{blank}{first}{blank},", ","))))
    return people


def _rows(
    status: str,
    numbers: range,
    random: Random,
    domains: Sequence[str],
    people: list[tuple[str, str]],
    days: list[str],
) -> Iterator[str]:
    """One draw of 256 bits a row; its slices choose everything, which is ten times faster than a choice each."""
    bits, many = random.getrandbits, len(days)
    for number in numbers:
        draw = bits(256)
        local, names = people[draw & 4095]
        day = days[(draw >> 12 & 0xFFFF) % many]
        clock = f"{(draw >> 28 & 0xFF) % 24:02}:{(draw >> 36 & 0xFF) % 60:02}"
        second = f"{(draw >> 44 & 0xFF) % 60:02}"
        ip = f"192.0.2.{draw >> 52 & 0xFF}" if draw >> 60 & 3 else ""
        seventh, eleventh = draw >> 64 & 0xFFFF, draw >> 80 & 0xFFFF
        phone = f"'+37120{draw >> 96 & 0xFFFFF:07}" if draw >> 116 & 7 == 0 else ""
        birthday = (
            f"{(draw >> 120 & 0xFF) % 12 + 1:02}/{(draw >> 128 & 0xFF) % 28 + 1:02}" if draw >> 136 & 3 == 0 else ""
        )
        zip_code = 1000 + (draw >> 138 & 0xFFF)
        later = days[(draw >> 150 & 0xFFFF) % many]
        yield (
            f"{local}{number}{domains[seventh % len(domains)]},{names},{ADDRESSES[eleventh % 5]},{phone},{birthday},"
            f"{COMPANIES[seventh % 8]},{POSITIONS[eleventh % 7]},{CITIES[seventh % 11]},"
            f"{'ru' if seventh & 1 else 'en'},{HEARD[eleventh % 6]},{GROUPS[seventh % 7]},"
            f"{zip_code},{eleventh % 5 + 1},"
            f"{day} {clock}:{second},{ip},{day} {clock}:{second},{ip},{PLACES[seventh % 5]},"
            f"{_block(status, later, clock, eleventh)},{100_000_000 + number},{draw >> 166 & 0xFFFFFFFFFF:010x},"
            f"{NOTES[seventh % 41]},{TAGS[eleventh % 6]}\n"
        )


def _block(status: str, day: str, clock: str, chance: int) -> str:
    if status == "unsubscribed":
        return f"{day} {clock}:07,The Thursday Letter {chance % 200},{chance:010x},{REASONS[chance % 5]}"
    if status == "cleaned":
        return f"{day} {clock}:11,The Thursday Letter {chance % 200},{chance:010x}"
    return f"{day} {clock}:13"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    parser.add_argument("rows", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--example", action="store_true", help="addresses at reserved domains, as in the demo")
    asked = parser.parse_args()
    began = time.perf_counter()
    counts = make_mailchimp_export(asked.path, asked.rows, asked.seed, EXAMPLE if asked.example else PROVIDERS)
    print(f"{counts} in {time.perf_counter() - began:.1f} s, {os.path.getsize(asked.path) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
