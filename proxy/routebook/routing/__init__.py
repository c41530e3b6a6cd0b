"""One request's path as a calculation: facts, decision, candidates, attempts, meter, record.

Rules of the room: time, randomness and what is remembered are arguments, and are recorded, so that a decision replays;
no bytes, no headers of a wire, no YAML but through `documents`.
"""
