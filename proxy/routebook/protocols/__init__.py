"""Bytes <-> what they mean: one package a dialect, sans-IO: feed bytes, take events.

Rules of the room: nothing waits, nothing routes, nothing costs. A dialect does not know another dialect.
"""
