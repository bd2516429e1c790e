"""Providers for the try-out, programs of their own: mail server, webhook receiver. The product never imports them."""
