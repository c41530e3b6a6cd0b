"""The ledger in the world: the owner's desk, its files, and the store that several hosts share."""
