"""The addresses of the public pages. They lie in mailboxes for years: none may change its meaning.

A word that none of ours looks like is asked of no database: connections keep what they were last asked for.
"""

from django.urls import path

from samizdat.public import (
    clicks,
    donate,
    embedded_forms,
    poll_answers,
    preferences,
    reconsent,
    signup,
    views,
    webhooks,
)

urlpatterns = [
    path("", views.root),
    path("u/<str:token>", views.leave),
    path("u/<str:token>/back", views.back),
    path("p/<str:token>", preferences.preferences),
    path("d/<str:token>", preferences.by_mail, {"kind": "d"}),
    path("e/<str:token>", preferences.by_mail, {"kind": "e"}),
    path("n/<str:token>", preferences.by_mail, {"kind": "n"}),
    path("o/<str:token>", preferences.by_mail, {"kind": "o"}),
    path("g/<str:token>", preferences.by_mail, {"kind": "g"}),
    path("c/<str:token>", signup.confirm),
    path("y/<str:token>", reconsent.stay),
    path("in/<str:token>", webhooks.deliver),
    path("f/<slug:slug>", signup.sign_up),
    path("subscribe", embedded_forms.hosted),
    path("subscribe/post", embedded_forms.post),
    path("subscribe/post-json", embedded_forms.post_json),
    path("a/", views.archive),
    path("a/feed.xml", views.feed),
    path("a/<slug:slug>", views.letter),
    path("l/<str:code>", clicks.follow),
    path("q/", poll_answers.trial),
    path("q/<str:code>", poll_answers.answer),
    path("donate/<slug:slug>", donate.fundraiser),
    path("donate/<slug:slug>/pay", donate.pay),
    path("m/<slug:slug>.<str:kind>", views.picture),
    path("style.css", views.style),
    path("work.js", views.work),
    path("robots.txt", views.robots),
]
handler400 = "samizdat.public.views.nothing_here"
handler404 = "samizdat.public.views.nothing_here"
handler500 = "samizdat.public.views.failed"
