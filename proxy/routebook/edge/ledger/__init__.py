"""The ledger where it meets the world: its books on disk, its audit, the stores that several hosts share."""
