"""All routes of the web role, with who may use them: the one table."""

from __future__ import annotations

from . import assets, health, sign_in
from . import gateway_routes as gateway
from .access import Access, Rule
from .api import description, fleet, teams
from .dashboard import handlers, holders, live, overview, team
from .dashboard import teams as team_list
from .install import endpoints as install

RULES: tuple[Rule, ...] = (
    # Installations
    Rule("GET", "/", install.landing, Access.PUBLIC),
    Rule("GET", "/slack/install", install.install, Access.PUBLIC),
    Rule("GET", "/slack/install/{namespace}", install.install, Access.PUBLIC),
    Rule("GET", "/slack/oauth_redirect", install.oauth_redirect, Access.PUBLIC),
    # Whether all is well
    Rule("GET", "/healthz", health.healthz, Access.PUBLIC),
    Rule("GET", "/readyz", health.readyz, Access.PUBLIC),
    Rule("GET", "/metrics", health.metrics, Access.READ),
    # Who is who
    Rule("GET", "/sign-in", sign_in.show, Access.PUBLIC),
    Rule("POST", "/sign-in", sign_in.sign_in, Access.PUBLIC),
    Rule("POST", "/sign-out", sign_in.sign_out, Access.SEE),
    # What Slack sends, for each app: that of the fleet's own namespace has no namespace in its address
    Rule("POST", "/slack/events", gateway.receive, Access.SLACK),
    Rule("POST", "/slack/events/{namespace}", gateway.receive, Access.SLACK),
    Rule("POST", "/slack/commands", gateway.receive, Access.SLACK),
    Rule("POST", "/slack/commands/{namespace}", gateway.receive, Access.SLACK),
    Rule("POST", "/slack/interactive", gateway.receive, Access.SLACK),
    Rule("POST", "/slack/interactive/{namespace}", gateway.receive, Access.SLACK),
    # The REST API
    Rule("GET", "/api", fleet.show_links, Access.PUBLIC),
    Rule("GET", "/api/openapi.json", description.show_openapi, Access.PUBLIC),
    Rule("GET", "/api/docs", description.show_docs, Access.PUBLIC),
    Rule("GET", "/api/status", fleet.show_status, Access.READ),
    Rule("GET", "/api/teams", teams.list_teams, Access.READ),
    Rule("POST", "/api/teams", teams.add_team, Access.ADMIN),
    Rule("GET", "/api/teams/{key}", teams.show_team, Access.READ),
    Rule("DELETE", "/api/teams/{key}", teams.remove_team, Access.ADMIN),
    Rule("GET", "/api/history/{key}", teams.show_history, Access.READ),
    Rule("POST", "/api/teams/{key}/update", teams.update_team, Access.ADMIN),
    Rule("POST", "/api/teams/{key}/check", teams.check_team, Access.ADMIN),
    Rule("POST", "/api/teams/{key}/start", teams.start_team, Access.ADMIN),
    Rule("POST", "/api/teams/{key}/stop", teams.stop_team, Access.ADMIN),
    Rule("POST", "/api/teams/{key}/restart", teams.restart_team, Access.ADMIN),
    Rule("POST", "/api/start", teams.start_teams, Access.ADMIN),
    Rule("POST", "/api/stop", teams.stop_teams, Access.ADMIN),
    Rule("POST", "/api/restart", teams.restart_teams, Access.ADMIN),
    Rule("GET", "/api/holders", fleet.list_holders, Access.READ),
    Rule("POST", "/api/holders/{name}/drain", fleet.drain_holder, Access.ADMIN),
    Rule("DELETE", "/api/holders/{name}/drain", fleet.undo_drain, Access.ADMIN),
    Rule("GET", "/api/handlers", fleet.list_handlers, Access.READ),
    Rule("GET", "/api/queues", fleet.list_queues, Access.READ),
    # The dashboard
    Rule("GET", "/dashboard", overview.show, Access.SEE),
    Rule("GET", "/dashboard/glance", overview.refresh, Access.SEE),
    Rule("GET", "/dashboard/teams", team_list.show, Access.SEE),
    Rule("GET", "/dashboard/teams/{key}", team.show, Access.SEE),
    Rule("GET", "/dashboard/teams/{key}/now", team.refresh, Access.SEE),
    Rule("GET", "/dashboard/teams/{key}/live", live.stream, Access.SEE),
    Rule("GET", "/dashboard/teams/{key}/{deed}", team.confirm, Access.ACT),
    Rule("POST", "/dashboard/teams/{key}/{deed}", team.act, Access.ACT),
    Rule("GET", "/dashboard/handlers", handlers.show, Access.SEE),
    Rule("GET", "/dashboard/holders", holders.show, Access.SEE),
    Rule("GET", "/dashboard/holders/drain", holders.confirm, Access.ACT),
    Rule("POST", "/dashboard/holders/drain", holders.act, Access.ACT),
    # Files that pages need
    Rule("GET", "/static/{name:path}", assets.show, Access.PUBLIC),
)
