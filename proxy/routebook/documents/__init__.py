"""YAML files as values that know their place, and what an author should hear about them.

Rules of the room: only here are `yaml` and `jsonschema` imported; nothing here knows a rule, a model or a token;
problems are values, collected and shown all at once, never raised one by one.
"""
