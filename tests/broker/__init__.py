"""Tests and worker processes that need a running broker."""
