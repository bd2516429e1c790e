"""Couriers: one process per channel delivers commands, as often as the channel allows, and tells the lead agent."""
