"""Chapter: a session is renewed; the twin with the old token loses nothing and gains nothing; logging out is heard."""

from yoyaku.embedded.story.facts import ChapterBrokenError
from yoyaku.embedded.story.stage import Stage, bearer, described, problem_of

SUPERSEDED = "refresh-superseded"
HEARD_SECONDS = 1.0


async def session_is_renewed(stage: Stage) -> None:
    """Chie's session is refreshed in one tab while another tab still has the token that was used up."""
    chie = stage.cast.person("chie")
    before = chie.session
    if before is None or before.refresh_token is None:
        raise ChapterBrokenError("Chie has no session that can be refreshed")
    yoyaku = await stage.client(chie)
    stage.narrator.say("Chie's access token lasts 15 minutes. One of her tabs renews it, another comes too late.")
    after = await yoyaku.auth.refresh()
    fresh = after.refresh_token
    stage.must_hold(
        "the refresh gives a new access token and a new refresh token",
        after.access_token != before.access_token and fresh is not None and fresh != before.refresh_token,
        after,
    )
    twin = await stage.post("/api/v1/auth/refresh", None, {"refresh_token": before.refresh_token.get_secret_value()})
    stage.holds(
        "the twin with the used one gets no second token (409)",
        twin.status_code == 409 and problem_of(twin).get("code") == SUPERSEDED,
        described(twin),
    )
    me = await yoyaku.people.me()
    stage.holds("and nobody is logged out by it", me.user_id == chie.credentials.user_id, me)
    stage.expect_in_audit("Chie's session was renewed", "identity.token.refreshed.v1", person_id=chie.person_id)
    chie.session, chie.token = after, after.access_token.get_secret_value()
    await _logged_out_elsewhere(stage)


async def _logged_out_elsewhere(stage: Stage) -> None:
    chie = stage.cast.person("chie")
    elsewhere = await stage.client(chie, place="library")
    there = elsewhere.session
    if there is None:
        raise ChapterBrokenError("Chie could not sign in at the library")
    stage.holds("she is signed in at the library too", len(await elsewhere.auth.sessions()) > 1, "one session")
    await elsewhere.auth.log_out()
    header = {"Authorization": f"Bearer {there.access_token.get_secret_value()}"}
    http = await stage.http()
    answer = await stage.eventually(
        lambda: http.get("/api/v1/users/me", headers=header),
        lambda answer: answer.status_code == 401,
        within_seconds=HEARD_SECONDS,
    )
    stage.holds(
        "logged out there, the token of the library is refused within a second",
        answer.status_code == 401,
        described(answer),
    )
    here = await http.get("/api/v1/users/me", headers=bearer(chie))
    stage.holds("at home she stays signed in", here.status_code == 200, described(here))
    stage.expect_in_audit("Chie logged out at the library", "identity.session.revoked.v1", person_id=chie.person_id)
