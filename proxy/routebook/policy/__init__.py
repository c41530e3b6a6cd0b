"""The rule language: facts with types, conditions, rules, and the decision tree they compile to.

Rules of the room: outcomes are opaque values, facts are whatever a `FactTable` declares; nothing here has heard of
models, HTTP or tokens. `rules.first_match` is the meaning and outranks every faster form.
"""
