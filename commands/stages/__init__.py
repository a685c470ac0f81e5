"""The stages of an object's run, one subcommand each, and their common parts."""
