"""The room in which recorded requests are decided again under a policy that somebody proposes, and counted.

`between`: what a record of one policy can vouch for under another; `knowing`: its facts; `deciding`: one record again;
`tally`: all of them, counted. A fact that no record holds makes a decision undecidable: nothing is guessed.
"""
