"""Completion for shells: what the command line takes, read from its own parser, and a script for each shell made of it."""
