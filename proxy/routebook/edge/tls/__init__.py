"""TLS of the listeners: the certificates they show, whom they ask for one, and what a client's certificate says of it."""
