"""A policy's own tests: what a case says, what came of it, how much of the rules all cases reach, which are wanting."""
