"""What is asked of every SDK, and how each says it: one module a dialect, which both of its languages share."""
