"""The only floor that waits: sockets, processes, files, signals. Everything it decides is decided below."""
