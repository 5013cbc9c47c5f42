"""The addresses of the desk. Whatever belongs to an organisation begins with /o/<slug>/; middleware takes that off."""

from django.urls import include, path

from samizdat.web.views import (
    campaigns,
    domains,
    editing,
    entry,
    fields,
    home,
    imports,
    lists,
    people,
    reports,
    routes,
    sending,
    subscribers,
)

handler400 = "samizdat.web.views.entry.bad_request"
handler403 = "samizdat.web.views.entry.forbidden"
handler404 = "samizdat.web.views.entry.not_found"
handler500 = "samizdat.web.views.entry.broken"

write = [
    path("campaigns/", campaigns.campaigns, name="campaigns"),
    path("campaigns/new", campaigns.new_campaign, name="new-campaign"),
    path("campaigns/<int:campaign_id>/", campaigns.campaign, name="campaign"),
    path("campaigns/<int:campaign_id>/save", campaigns.autosave, name="autosave"),
    path("campaigns/<int:campaign_id>/copy", campaigns.copy, name="copy-campaign"),
    path("campaigns/<int:campaign_id>/throw-away", campaigns.throw_away, name="throw-away"),
    path("campaigns/<int:campaign_id>/picture", campaigns.add_picture, name="add-picture"),
    path("campaigns/<int:campaign_id>/preview/<str:kind>", campaigns.preview, name="preview"),
    path("campaigns/pictures/<slug:slug>", campaigns.picture, name="picture"),
    path("campaigns/<int:campaign_id>/send", sending.send, name="send"),
    path("campaigns/<int:campaign_id>/test", sending.test, name="test-campaign"),
    path("campaigns/<int:campaign_id>/domain", sending.domain_cards, name="domain"),
    path("campaigns/<int:campaign_id>/report", reports.report, name="report"),
    path("campaigns/<int:campaign_id>/live", reports.live, name="live"),
    path("campaigns/<int:campaign_id>/pause", reports.pause, name="pause"),
    path("campaigns/<int:campaign_id>/resume", reports.resume, name="resume"),
    path("campaigns/<int:campaign_id>/take-back", reports.take_back, name="take-back"),
    path("campaigns/<int:campaign_id>/settle", reports.settle, name="settle"),
    path("campaigns/<int:campaign_id>/stop", reports.stop, name="stop"),
]

audience = [
    path("subscribers/", subscribers.subscribers, name="subscribers"),
    path("subscribers/count", subscribers.count_subscribers, name="count-subscribers"),
    path("subscribers/add", subscribers.add_subscriber, name="add-subscriber"),
    path("subscribers/<int:number>/", subscribers.subscriber, name="subscriber"),
    path("subscribers/<int:number>/edit", editing.edit_subscriber, name="edit-subscriber"),
    path("subscribers/<int:number>/tags", editing.tag_subscriber, name="tag-subscriber"),
    path("subscribers/<int:number>/unsubscribe", subscribers.unsubscribe, name="unsubscribe"),
    path("subscribers/<int:number>/suppress", subscribers.suppress, name="suppress"),
    path("subscribers/<int:number>/erase", subscribers.erase, name="erase"),
    path("lists/", lists.lists, name="lists"),
    path("lists/<int:list_id>/", lists.one_list, name="list"),
    path("lists/<int:list_id>/form", lists.sign_up_form, name="sign-up-form"),
    path("fields/", fields.fields, name="fields"),
    path("fields/<int:field_number>/", fields.one_field, name="field"),
    path("fields/<int:field_number>/remove", fields.remove_field, name="remove-field"),
    path("subscribers/differ", subscribers.differ, name="differ"),
    path("subscribers/left/<int:alarm_id>/", subscribers.left_at_once, name="left-at-once"),
    path("imports/", imports.imports, name="imports"),
    path("imports/upload", imports.upload, name="upload"),
    path("imports/paste", imports.paste, name="paste"),
    path("imports/<int:import_id>/", imports.one_import, name="import"),
    path("imports/<int:import_id>/progress", imports.progress, name="import-progress"),
    path("imports/<int:import_id>/cancel", imports.cancel_import, name="cancel-import"),
    path("imports/<int:import_id>/go-on", imports.go_on, name="go-on"),
    path("imports/<int:import_id>/rejected.csv", imports.rejected, name="rejected"),
]

alive = [
    path("routes/", routes.routes, name="routes"),
    path("routes/<int:route_id>/", routes.edit_route, name="edit-route"),
    path("routes/<int:route_id>/test", routes.test_route, name="test-route"),
    path("routes/<int:route_id>/pause", routes.pause_route, name="pause-route"),
    path("routes/<int:route_id>/resume", routes.resume_route, name="resume-route"),
    path("routes/<int:route_id>/remove", routes.remove_route, name="remove-route"),
    path("domains/", domains.domains, name="domains"),
    path("domains/<int:domain_id>/", domains.sending_domain, name="sending-domain"),
    path("domains/<int:domain_id>/check", domains.check_records, name="check-records"),
    path("domains/<int:domain_id>/activate", domains.activate_keys, name="activate-keys"),
    path("domains/<int:domain_id>/rotate", domains.rotate_keys, name="rotate-keys"),
    path("domains/<int:domain_id>/remove", domains.remove_domain, name="remove-domain"),
    path("domains/<int:domain_id>/keys/<int:key_id>/published", domains.say_published, name="key-published"),
    path("domains/<int:domain_id>/keys/<int:key_id>/activate", domains.activate_key, name="activate-key"),
    path("domains/<int:domain_id>/keys/<int:key_id>/retire", domains.retire_key, name="retire-key"),
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
    path("picture/<str:token>", campaigns.shown_picture, name="shown-picture"),
    path("o/<slug:organisation>/", include([path("", home.home, name="home"), *write, *audience, *alive])),
]
