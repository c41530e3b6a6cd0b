"""Pictures of what a policy decides: first a sketch in plain values, then text, SVG, DOT or Mermaid of it.

Everything is drawn here, without a library: a picture is a text, the same for the same policy.
"""
