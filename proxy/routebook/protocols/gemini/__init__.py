"""Google's Gemini API (generateContent, v1 and v1beta): requests, answers, streams and errors, from both sides."""
