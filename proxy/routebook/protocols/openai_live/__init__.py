"""OpenAI's Live API (GPT-Live): sessions in which both sides speak at any time, and which are paid by the second."""
