"""The admin listener: health, metrics, the policy in force, reload, decisions. A socket of its own, on loopback by default.

One table of routes (`routes`) is what is served, what is authorized, what is documented and what is tested. Whoever may
read sees names, counts and records, never a key or a prompt; whoever may operate can also change what the service does.
"""
