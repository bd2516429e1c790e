"""Providers to try Leadkeeper against, as programs of their own: a mail server, a webhook receiver. Product code never imports them."""
