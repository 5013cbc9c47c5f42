"""What Django resolves paths of the API by; entry.py names it, so that it is imported by the first request."""

from django.urls import path

from samizdat.api.application import api

urlpatterns = [path("", api.urls)]
