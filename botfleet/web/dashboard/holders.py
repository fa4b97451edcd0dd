"""`/dashboard/holders`: who holds the bots, and having one give its bots away."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ...overview import HolderView
from ..access import caller_of
from ..context import context_of
from ..named import ask_to_drain, unknown_holder
from ..pages import render, text_of
from .board import board_of
from .shared import Fragment, Said, is_fragment_wanted

logger = logging.getLogger(__name__)

_PATH = "/dashboard/holders"
_SAID = {
    "drain": "The holder gives its bots to the others.",
    "undo": "The holder takes bots again.",
}
_DRAIN = (
    "It gives its bots to the other holders one shard after another, without a gap, and takes none until "
    "it is told to, or is started again."
)
_UNDO = "It takes its share of the bots from the other holders again."


async def show(request: Request) -> Response:
    """`GET /dashboard/holders`: the page, or its living part."""
    context = context_of(request)
    holders = await board_of(request).holders.now(context)
    fragment = _fragment(holders, caller_of(request).is_admin, context.settings.shards)
    if is_fragment_wanted(request):
        return fragment.answer(request)
    text = _SAID.get(request.query_params.get("said", ""))
    return render(
        request,
        "dashboard/holders.html",
        section="holders",
        fragment=fragment,
        said=Said("ok", text) if text else None,
        at=context.clock(),
    )


async def confirm(request: Request) -> Response:
    """`GET /dashboard/holders/drain?name=`: asks whether it is meant."""
    name, undo = request.query_params.get("name", ""), bool(request.query_params.get("undo"))
    holders = await board_of(request).holders.now(context_of(request))
    if name not in [holder.name for holder in holders]:
        raise unknown_holder()
    others = any(one.name != name and not one.draining for one in holders)
    alone = "" if undo or others else " There is no other holder now: it keeps its bots until there is one."
    return render(
        request,
        "dashboard/confirm.html",
        section="holders",
        title=f"Have {name} take bots again?" if undo else f"Drain {name}?",
        text=_UNDO if undo else _DRAIN + alone,
        word="Take bots again" if undo else "Drain",
        danger=False,
        action=f"{_PATH}/drain",
        fields={"name": name, "undo": "1" if undo else ""},
        back=_PATH,
    )


async def act(request: Request) -> Response:
    """`POST /dashboard/holders/drain`."""
    context, form = context_of(request), await request.form()
    name, undo = str(form.get("name", "")), bool(form.get("undo"))
    await context.run(ask_to_drain, context.fleet.store, name, not undo)
    logger.info(
        "%r asked for: %s %r",
        *(caller_of(request).name, "undrain" if undo else "drain", name),
        extra={"action": "web.drain"},
    )
    return RedirectResponse(f"{_PATH}?said={'undo' if undo else 'drain'}", 303)


def _fragment(holders: list[HolderView], admin: bool, shards: int) -> Fragment:
    text = text_of("dashboard/holders_now.html", holders=holders, admin=admin, shards=shards)
    return Fragment("holders", _PATH, text)
