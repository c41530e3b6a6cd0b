"""The command line: one file per command; a command prints and exits, what it prints is computed below."""
