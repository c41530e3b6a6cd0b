"""OpenAI's Chat Completions and Embeddings: what stands in a request, an answer, a stream and an error.

Rules of the room: a body is read once, typed, and only as far as somebody asks; what is not understood is kept as the
bytes it came as.
"""
