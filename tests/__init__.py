"""Tests. They run on a real broker and a real Redis; see ``brokers.py`` for which."""
