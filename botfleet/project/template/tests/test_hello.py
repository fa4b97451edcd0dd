"""What the bot says, without network or broker: `fleet` is botfleet's testing kit."""


def test_ping(fleet):
    fleet.say("#general", "@bot ping")
    assert fleet.replies == ["pong"]
