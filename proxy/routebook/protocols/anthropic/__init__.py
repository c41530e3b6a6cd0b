"""Anthropic's Messages, in the versions 2023-06-01 and 2026-10-21: requests, answers, streams, errors, counted tokens.

Rules of the room: turns alternate and results of tools stand at the front of a user's turn; thoughts go back with their
signature or not at all; what is not understood is kept as the JSON it came as.
"""
