"""`/dashboard/teams/KEY`: one bot, what became of it, and what can be done with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ...fleet import Fleet, Result
from ...model import HistoryEntry
from ...overview import Team
from ..access import caller_of
from ..context import WebContext, context_of
from ..named import key_in, unknown_team
from ..pages import render, text_of
from ..problems import Problem
from .shared import Fragment, Said, is_fragment_wanted

logger = logging.getLogger(__name__)


class Deed(NamedTuple):
    """Something that can be done with a bot.

    Attributes:
        do: does it.
        word: on its button.
        ask: what it means, for who is to say yes; empty where nobody is asked.
        said: when it is done.
        danger: it can't be taken back.
    """

    do: Callable[[Fleet, Team], Result]
    word: str
    ask: str
    said: str
    danger: bool = False


def _first(results: Sequence[Result]) -> Result:
    return results[0]


DEEDS: dict[str, Deed] = {
    "check": Deed(
        lambda fleet, team: fleet.check_token(team.team_id, team.namespace),
        "Check token",
        "",
        "Slack says that the token is good.",
    ),
    "start": Deed(
        lambda fleet, team: _first(fleet.start(team.team_id, namespace=team.namespace)),
        "Start",
        "",
        "The bot is being started.",
    ),
    "restart": Deed(
        lambda fleet, team: _first(fleet.restart(team.team_id, namespace=team.namespace)),
        "Restart",
        "Its connection is closed and made anew. It may miss what is said in the seconds between.",
        "The bot is being restarted.",
    ),
    "stop": Deed(
        lambda fleet, team: _first(fleet.stop(team.team_id, namespace=team.namespace)),
        "Stop",
        "Its connection is closed, and the team's people get no answer until somebody starts it again.",
        "The bot is being stopped.",
    ),
    "remove": Deed(
        lambda fleet, team: fleet.remove_token(team.team_id, team.namespace),
        "Remove",
        "Its connection is closed, and its token is forgotten. The team has to install the app again.",
        "The bot was removed.",
        danger=True,
    ),
}


class _Seen(NamedTuple):
    """A bot, and what became of it lately."""

    team: Team
    history: Sequence[HistoryEntry]


async def show(request: Request) -> Response:
    """`GET /dashboard/teams/KEY`."""
    deed = DEEDS.get(request.query_params.get("said", ""))
    return await _page(request, Said("ok", deed.said) if deed and deed.said else None)


async def refresh(request: Request) -> Response:
    """`GET /dashboard/teams/KEY/now`: what of the page may change."""
    seen = await context_of(request).run(_look, context_of(request), key_in(request.path_params))
    return _fragment(request, seen).answer(request, _head(request, seen))


async def confirm(request: Request) -> Response:
    """`GET /dashboard/teams/KEY/DEED`: asks whether it is meant, where no script does."""
    context, name = context_of(request), _deed_of(request)
    seen = await context.run(_look, context, key_in(request.path_params))
    return render(
        request,
        "dashboard/confirm.html",
        section="teams",
        title=f"{DEEDS[name].word} {seen.team.name or seen.team.key}?",
        text=DEEDS[name].ask or "It takes effect at once.",
        word=DEEDS[name].word,
        danger=DEEDS[name].danger,
        action=f"{_path(seen.team.key)}/{name}",
        fields={},
        back=_path(seen.team.key),
    )


async def act(request: Request) -> Response:
    """`POST /dashboard/teams/KEY/DEED`: does it."""
    context, name, key = context_of(request), _deed_of(request), key_in(request.path_params)
    result = await context.run(_do, context, key, name)
    logger.info(
        "%r asked for: %s %s, %s",
        *(caller_of(request).name, name, key, "done" if result.ok else "not done"),
        extra={"action": "web.deed", "bot": key},
    )
    if name == "remove" and result.ok:
        return _lead(request, "/dashboard/teams?said=remove")
    said = Said("ok", DEEDS[name].said) if result.ok else Said("bad", _trouble(name, result))
    if is_fragment_wanted(request):
        return await _news(request, said)
    if result.ok and name != "check":
        return RedirectResponse(f"{_path(key)}?said={name}", 303)
    return await _page(request, said)


def _trouble(name: str, result: Result) -> str:
    if name == "check":
        what = "Slack can't be asked just now" if result.passing else "The token is not good"
        return f"{what}: {result.error}."
    return f"This was not done: {result.error}."


def _do(context: WebContext, key: str, name: str) -> Result:
    team = context.census.team(key)
    if team is None:
        raise unknown_team()
    result = DEEDS[name].do(context.fleet, team)
    context.census.renew(key)
    return result


def _look(context: WebContext, key: str) -> _Seen:
    team = context.census.team(key)
    if team is None:
        raise unknown_team()
    return _Seen(team, context.fleet.store.history(key))


async def _page(request: Request, said: Said | None) -> Response:
    context = context_of(request)
    seen = await context.run(_look, context, key_in(request.path_params))
    holders = await context.run(context.fleet.store.holders)
    return render(
        request,
        "dashboard/team.html",
        section="teams",
        team=seen.team,
        path=_path(seen.team.key),
        head=_head(request, seen, swapped=False),
        fragment=_fragment(request, seen),
        deeds=DEEDS,
        said=said,
        held=bool(holders),
    )


async def _news(request: Request, said: Said) -> Response:
    """The living part of the page, with what was done."""
    context = context_of(request)
    seen = await context.run(_look, context, key_in(request.path_params))
    told = text_of("dashboard/said.html", said=said, swapped=True)
    return _fragment(request, seen).answer(request, _head(request, seen) + told)


def _fragment(request: Request, seen: _Seen) -> Fragment:
    text = text_of("dashboard/team_now.html", team=seen.team, history=seen.history)
    return Fragment("team", f"{_path(seen.team.key)}/now", text, every=1)


def _head(request: Request, seen: _Seen, swapped: bool = True) -> str:
    """The head of the page, whose state and buttons change; a part that is swapped beside the other."""
    return text_of(
        "dashboard/team_head.html",
        team=seen.team,
        path=_path(seen.team.key),
        caller=caller_of(request),
        deeds=DEEDS,
        swapped=swapped,
    )


def _path(key: str) -> str:
    return f"/dashboard/teams/{quote(key, safe='')}"


def _lead(request: Request, path: str) -> Response:
    if is_fragment_wanted(request):
        return Response(status_code=204, headers={"HX-Redirect": path})
    return RedirectResponse(path, 303)


def _deed_of(request: Request) -> str:
    name = str(request.path_params["deed"])
    if name not in DEEDS:
        raise Problem(404, "not_found", "There is nothing at this address.")
    return name
