"""Money and limits as arithmetic: integers of nano-dollars, no clock of its own, no waiting."""
