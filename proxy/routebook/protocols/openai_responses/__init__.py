"""OpenAI's Responses: what stands in a request, an answer, a stream and an error.

What is asked and what is answered is one list of items: messages, thoughts, calls of tools and their results, and whatever
else the provider's own tools do.
"""
