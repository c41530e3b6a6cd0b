"""What a service stands on, looked at from outside: the machine, the state directory, the shared ledger, the upstreams.

Nothing is changed, and no upstream is asked anything: a connection is made and closed.
"""
