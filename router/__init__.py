"""LLM routing proxy. Reading order: proxy.py shows the path of a request; the README has the map."""

__version__ = "0.1.0"
