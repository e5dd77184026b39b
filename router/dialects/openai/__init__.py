"""What we show to OpenAI and to every server compatible with it: a client face for each of its two endpoints."""
