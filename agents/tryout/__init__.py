"""The try-out: a recorded log streamed through the real product on this machine, watched, and told about at the end."""
