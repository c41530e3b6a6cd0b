"""A policy file in the one form that `routebook fmt` writes: comments kept, keys in the language's order, meaning unchanged.

The room is its own and not a library's for one reason: libraries that keep comments of YAML hang each one on the token
before it, so a comment above a key would stay behind when the key moves. Here it belongs to what it stands above.
"""
