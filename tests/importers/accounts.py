"""Exports of whole accounts, written as Mailchimp's help page and public readers of campaigns.csv describe them."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

USER, OTHER = "a" * 25, "b" * 25
HEAD = "Email Address,First Name,OPTIN_TIME,CONFIRM_TIME"
TABLE = (
    'Title,Subject,List,"Send Date","Send Weekday","Total Recipients","Successful Deliveries","Soft Bounces",'
    '"Hard Bounces","Total Bounces","Unique Opens","Total Clicks",Unsubscribes,"Abuse Complaints","Unique Id"\n'
    '"May letter","Help the archive",News,"May 19, 2019 06:00 pm",Sunday,"1,110","1,108",1,1,2,300,57,7,0,17671f6028\n'
    '"Lost letter","Lost",News,"May 20, 2019 06:00 pm",Monday,1,1,0,0,0,0,0,0,0,aa671f6028\n'
)


def picture(color: str = "teal") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), color).save(file, "PNG")
    return file.getvalue()


def page(user: str = USER, name: str = "logo.png") -> str:
    return (
        f'<html><body><p>Dear *|FNAME|*</p><img src="https://mcusercontent.com/{user}/images/{name}" alt="Logo">'
        '<a href="*|UNSUB|*">Leave</a> *|MC:TOC|*</body></html>'
    )


ACCOUNT: Mapping[str, str | bytes] = {
    "12345/lists/members/members_777_News.csv": f"{HEAD},LAST_CHANGED\nada@post.example,Ada,2020-01-01 10:00:00,,\n",
    "12345/lists/unsubscribed/members_777_News.csv": f"{HEAD},UNSUB_TIME\n"
    "boris@post.example,Boris,2020-01-01 10:00:00,,2021-01-01 10:00:00\n",
    "12345/lists/members/members_778_Alarm.csv": f"{HEAD},LAST_CHANGED\nada@post.example,Ada,2020-01-01 10:00:00,,\n",
    "12345/campaigns.csv": TABLE,
    "12345/campaigns_content/100_may-letter.html": page(),
    "12345/campaigns_content/100_may-letter.txt": "Dear *|FNAME|*",
    "12345/campaigns_content/101_not-sent-yet.html": page(OTHER),
    "12345/templates/Base frame.html": f'<html><body><div mc:edit="main">{page()}</div></body></html>',
    "12345/gallery/logo.png": picture(),
    "12345/gallery/report.pdf": "%PDF",
    "12345/granular_activity/opens/100_may.csv": "Email,Timestamp\nada@post.example,2019-05-20\n",
    "12345/geo_data/100_may.csv": "Country\nRU\n",
    "12345/surveys/one.csv": "Question\nWhy?\n",
}


def written(path: Path, files: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as box:
        for name, data in files.items():
            box.writestr(name, data)
    return path
