"""The pages of an installation: the button, the way to Slack, and what became of it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, urlencode, urljoin, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..context import WebContext, context_of
from ..cookies import Cookie
from ..limits import LOOPBACK
from ..pages import render
from ..problems import seconds
from ..tries import address_of
from .flow import STATE_TTL, Callback, Installed, Installer, new_browser
from .refusals import InstallRefused, Why

_REDIRECT_PATH = "/slack/oauth_redirect"
#: What tells the browser that an installation was begun in.
_BROWSER = Cookie("botfleet_install", STATE_TTL)


class Offer(NamedTuple):
    """A button: for the app of a namespace, where it leads."""

    namespace: str
    href: str


async def landing(request: Request) -> Response:
    """`/`: what this is, and a button for each app."""
    context = context_of(request)
    apps = context.settings.installable_apps
    offers = [Offer(app.namespace, _begin_at(context, app.namespace)) for app in apps]
    return render(request, "install/landing.html", offers=offers)


async def install(request: Request) -> Response:
    """`/slack/install[/{namespace}]`: notes a state and leads to Slack's page."""
    if request.method == "HEAD":
        return _seen()
    context = context_of(request)
    namespace = request.path_params.get("namespace", context.settings.namespace)
    browser = _BROWSER.read(request) or new_browser()
    begin = Installer(context.fleet).begin
    try:
        url = await context.run(begin, namespace, _redirect_uri(request), browser, address_of(request))
    except InstallRefused as refused:
        return _refusal(request, refused)
    response = RedirectResponse(url, 302)
    _BROWSER.give(context, response, browser)
    return response


async def oauth_redirect(request: Request) -> Response:
    """`/slack/oauth_redirect`: where Slack sends the browser back to."""
    if request.method == "HEAD":
        return _seen()
    context = context_of(request)
    sent = request.query_params
    callback = Callback(state=sent.get("state", ""), code=sent.get("code", ""), error=sent.get("error", ""))
    try:
        installed = await context.run(Installer(context.fleet).finish, callback, _BROWSER.read(request))
    except InstallRefused as refused:
        return _refusal(request, refused)
    return render(
        request,
        "install/installed.html",
        installed=installed,
        open_at=open_at(context.settings.slack_api_url, installed),
        is_sandbox=is_sandbox(context.settings.slack_api_url),
    )


def _seen() -> Response:
    # Who only looks, such as what previews links, begins and finishes nothing.
    return Response()


def _refusal(request: Request, refused: InstallRefused) -> Response:
    context = context_of(request)
    words = refused.why.value
    again = "/" if refused.namespace is None else _begin_at(context, refused.namespace)
    page = render(request, "install/refused.html", words.status, refused=refused, words=words, again=again)
    if refused.why in (Why.SLACK_BUSY, Why.STORE_AWAY, Why.TOO_MANY):
        page.headers["Retry-After"] = seconds(refused.retry_after or 30.0)
    return page


def _begin_at(context: WebContext, namespace: str) -> str:
    """Where an installation begins: at the address that cookies and Slack's way back are for."""
    which = "" if namespace == context.settings.namespace else f"/{quote(namespace)}"
    return f"{context.settings.web_url}/slack/install{which}"


def _redirect_uri(request: Request) -> str:
    settings = context_of(request).settings
    return (settings.web_url or str(request.base_url).rstrip("/")) + _REDIRECT_PATH


def is_sandbox(slack_api_url: str) -> bool:
    """Whether the Slack of this address is on this machine."""
    return urlsplit(slack_api_url).hostname in LOOPBACK


def open_at(slack_api_url: str, installed: Installed) -> str:
    """Where people talk to the bot: the sandbox's chat page, or Slack at the app's own messages."""
    slack = urljoin(slack_api_url, "..")
    team = {} if installed.org_wide else {"team": installed.home}
    if is_sandbox(slack_api_url):
        return f"{slack}?{urlencode(team)}"
    if installed.app_id:
        return f"{slack}app_redirect?{urlencode({'app': installed.app_id, **team})}"
    return f"slack://open?{urlencode(team)}"
