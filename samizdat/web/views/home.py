"""The first page: what needs somebody, the five promises, what goes out next, what became of the last letters."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from samizdat.web.doors import EVERYONE, door


@door(see=EVERYONE)
def home(request: Any) -> HttpResponse:
    return render(request, "web/home.html", {})
