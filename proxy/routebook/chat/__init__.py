"""What a conversation with a model consists of, in nobody's dialect: pure values, no bytes, no JSON keys."""
