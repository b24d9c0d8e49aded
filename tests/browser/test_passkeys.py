"""A passkey in a real browser: made, and used to sign in, with Chromium's own virtual device."""

from dataclasses import replace

from playwright.sync_api import expect

from tests.browser.conftest import Opener, Site, sign_in

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def test_a_passkey_is_set_up_and_signs_in_alone(site: Site, open_page: Opener) -> None:
    page = open_page(replace(site, url=site.app.extensions["booking"].settings.passkey_origin))
    control = page.context.new_cdp_session(page)
    control.send("WebAuthn.enable")
    control.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    sign_in(page)
    page.get_by_role("link", name="Account").click()
    page.get_by_role("link", name="Set up a second step").click()
    page.get_by_role("link", name="Set up a passkey").click()
    page.get_by_label("What do you call this device?").fill("The desk")
    page.get_by_role("button", name="Set it up").click()
    page.get_by_role("button", name="I have kept them").click()
    page.get_by_role("button", name="Sign out").click()

    page.get_by_role("button", name="Sign in with a passkey").click()

    page.get_by_role("heading", name="Upcoming appointments").wait_for()
    page.get_by_role("link", name="Account").click()
    page.get_by_text("The desk").wait_for()
    expect(page.locator("main")).to_contain_text("Chrome on Linux")
