"""The stages of an object's run, one subcommand each, and what they share."""
