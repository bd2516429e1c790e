"""Policies as files: checked with lines and remedies, shown, compared, published, and tried on stories."""
