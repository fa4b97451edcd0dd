"""The gateway: what Slack sends by HTTP (events, slash commands, interactive payloads) becomes tasks."""
