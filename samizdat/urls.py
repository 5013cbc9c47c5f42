"""The addresses of the desk. Whatever belongs to an organisation begins with /o/<slug>/; middleware takes that off."""

from django.urls import include, path

from samizdat.web.views import entry, home, people

handler400 = "samizdat.web.views.entry.bad_request"
handler403 = "samizdat.web.views.entry.forbidden"
handler404 = "samizdat.web.views.entry.not_found"
handler500 = "samizdat.web.views.entry.broken"

organisation = [
    path("", home.home, name="home"),
    path("people/", people.colleagues, name="people"),
    path("people/<int:person_id>/", people.colleague, name="colleague"),
    path("people/<int:person_id>/remove", people.remove_colleague, name="remove-colleague"),
    path("people/invitations/<int:invitation_id>/withdraw", people.withdraw_invitation, name="withdraw-invitation"),
    path("settings/", people.organisation_settings, name="settings"),
]

urlpatterns = [
    path("", entry.start, name="start"),
    path("organisations", entry.organisations, name="organisations"),
    path("sign-in", entry.sign_in, name="sign-in"),
    path("sign-out", entry.sign_out, name="sign-out"),
    path("language", entry.language, name="language"),
    path("set-up", entry.set_up, name="set-up"),
    path("come-in/<str:token>", entry.invitation, name="invitation"),
    path("profile", people.profile, name="profile"),
    path("profile/password", people.password, name="password"),
    path("keyboard", people.keyboard, name="keyboard"),
    path("o/<slug:organisation>/", include(organisation)),
]
