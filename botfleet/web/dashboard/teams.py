"""`/dashboard/teams`: all bots, found and paged."""

from __future__ import annotations

from typing import NamedTuple, get_args
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ...errors import UsageError
from ...model import STATES, TROUBLES, State
from ...overview import Page, Query, Snapshot, Team
from ..context import WebContext, context_of
from ..pages import render, text_of
from .shared import Fragment, Said, is_fragment_wanted
from .team import DEEDS

#: Bots on a page.
_LIMIT = 50
_SORTS = ("name", "status", "since")
#: Letters of a search; names are shorter.
_MAX_SEARCH = 100
#: The namespace of those that have none, in an address.
NO_NAMESPACE = "-"


class Wish(NamedTuple):
    """What is looked for, as it stands in the page's address; what is not understood is left out.

    Attributes:
        q: what a bot's name or key holds.
        status: a state, `trouble` for those that are in trouble, or empty for all.
        namespace: empty for all, `NO_NAMESPACE` for those without one.
        holder: empty for all.
        sort: one of `_SORTS`, perhaps with a `-` before it.
        cursor: of a page.
    """

    q: str = ""
    status: str = ""
    namespace: str = ""
    holder: str = ""
    sort: str = "name"
    cursor: str = ""

    @classmethod
    def read(cls, params: QueryParams) -> Wish:
        """What an address asks for."""
        status, sort = params.get("status", ""), params.get("sort", "name")
        return cls(
            q=params.get("q", "").strip()[:_MAX_SEARCH],
            status=status if status in STATES or status == "trouble" else "",
            namespace=params.get("namespace", ""),
            holder=params.get("holder", ""),
            sort=sort if sort.removeprefix("-") in _SORTS else "name",
            cursor=params.get("cursor", ""),
        )

    @property
    def query(self) -> Query:
        """The same for the census."""
        return Query(
            search=self.q,
            statuses=_statuses(self.status),
            namespace=self.namespace.removeprefix(NO_NAMESPACE) if self.namespace else None,
            holder=self.holder or None,
            sort=self.sort,
            limit=_LIMIT,
            cursor=self.cursor,
        )

    @property
    def href(self) -> str:
        """The address that asks for it."""
        usual = Wish()
        asked = {name: value for name, value in self._asdict().items() if value != getattr(usual, name)}
        return f"/dashboard/teams?{urlencode(asked)}" if asked else "/dashboard/teams"

    @property
    def narrows(self) -> bool:
        """Whether some bots may be left out."""
        return bool(self.q or self.status or self.namespace or self.holder)

    def with_(self, **fields: str) -> str:
        """The address for something else, from its first page on."""
        return self._replace(**{"cursor": "", **fields}).href

    def sorted_by(self, name: str) -> str:
        """The address that sorts by a column; the other way round where it is sorted so already."""
        return self.with_(sort=f"-{name}" if self.sort == name else name)

    def direction(self, name: str) -> str:
        """How a column is sorted, as ARIA has it; empty where it is not."""
        return {name: "ascending", f"-{name}": "descending"}.get(self.sort, "")


def _statuses(status: str) -> tuple[State, ...]:
    if status == "trouble":
        return TROUBLES
    return tuple(state for state in get_args(State) if state == status)


class _Found(NamedTuple):
    """A page of bots.

    Attributes:
        wish: what was looked for; without its cursor where that was none.
        total: how many bots there are at all.
        namespaces: that bots have.
    """

    wish: Wish
    page: Page[Team]
    total: int
    namespaces: list[str]


async def show(request: Request) -> Response:
    """`GET /dashboard/teams`: the page, or what was found of it."""
    context = context_of(request)
    found = await context.run(_find, context, Wish.read(request.query_params))
    fragment = _fragment(context, found)
    if is_fragment_wanted(request):
        return _answer(request, fragment)
    deed = DEEDS.get(request.query_params.get("said", ""))
    return render(
        request,
        "dashboard/teams.html",
        section="teams",
        wish=found.wish,
        states=STATES,
        namespaces=found.namespaces,
        no_namespace=NO_NAMESPACE,
        total=found.total,
        fragment=fragment,
        at=context.clock(),
        said=Said("ok", deed.said) if deed else None,
    )


def _answer(request: Request, fragment: Fragment) -> Response:
    # Who typed into the search wants an answer, also where that is what there was.
    if "have" in request.query_params:
        return fragment.answer(request)
    return HTMLResponse(fragment.__html__())


def _find(context: WebContext, wish: Wish) -> _Found:
    snapshot = context.census.now()
    try:
        page = snapshot.page(wish.query)
    except UsageError:
        wish = wish._replace(cursor="")
        page = snapshot.page(wish.query)
    return _Found(wish, page, snapshot.total, _namespaces(snapshot))


def _namespaces(snapshot: Snapshot) -> list[str]:
    return sorted({team.namespace for team in snapshot.teams.values()})


def _fragment(context: WebContext, found: _Found) -> Fragment:
    text = text_of(
        "dashboard/teams_found.html",
        wish=found.wish,
        page=found.page,
        total=found.total,
        many_namespaces=len(found.namespaces) > 1,
        installable=bool(context.settings.installable_apps),
    )
    return Fragment("found", found.wish.href, text)
