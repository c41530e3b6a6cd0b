"""Sessions: conversations over a WebSocket, from the upgrade to the close, by the same steps as requests."""
