"""OpenAI's Realtime API, as OpenAI and Azure serve it: sessions of voice and text over a WebSocket."""
