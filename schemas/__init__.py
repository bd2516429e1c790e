"""The nouns: every message that may travel on a Leadkeeper topic.

Start with `topics.py` (which message lives where), then `events.py` (what producers send).
JSON Schema and AsyncAPI documents in `schemas/generated/` are made from these classes by `leadkeeper docs`.
"""
