"""What goes out of a handler: in its turn, once, in pieces that Slack takes."""
