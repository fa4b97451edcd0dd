"""The web role: Slack's events by HTTP, installations, a REST API, a dashboard. Needs the extra `web`."""
