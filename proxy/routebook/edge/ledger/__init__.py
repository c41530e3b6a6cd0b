"""Where the ledger meets the world: the owner's desk, the workers' tills, the books on disk, the store of several hosts."""
