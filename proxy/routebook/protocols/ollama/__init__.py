"""Ollama's own API (`/api/chat`): upstreams speak it; clients are not served in it, but the simulated upstream reads and
writes it as any other.

Rules of the room: those of `protocols`. Streams are JSON texts, one a line.
"""
