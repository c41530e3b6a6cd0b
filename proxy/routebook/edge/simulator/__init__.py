"""An upstream that needs no key: for trying a policy, for tests, for load. It never serves unless it is asked to."""
