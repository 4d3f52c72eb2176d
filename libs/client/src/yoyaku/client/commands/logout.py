"""`yoyaku logout`: ends the kept session."""

from yoyaku.client.client import Client
from yoyaku.client.commands.options import DEFAULT_URL, Json, Url
from yoyaku.client.commands.running import run
from yoyaku.client.commands.screen import Screen


def logout(*, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Sign out: on this machine always, and at the gateway when it can be reached."""
    screen = Screen(url, as_json=as_json)

    async def work(client: Client) -> None:
        was_signed_in = client.session is not None
        told = await client.auth.log_out()
        if as_json:
            screen.document({"url": screen.url, "was_signed_in": was_signed_in, "gateway_told": told and was_signed_in})
        elif not was_signed_in:
            screen.line(screen.say("nobody-signed-in", url=screen.url))
        else:
            screen.line(screen.say("signed-out", url=screen.url) if told else screen.say("signed-out-here"))

    run(screen, work)
