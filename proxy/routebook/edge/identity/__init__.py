"""How callers show who they are: keys and where their digests are kept, bearer tokens and the keys of their issuers."""
