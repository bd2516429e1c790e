"""Couriers: one process per channel takes commands, delivers each as often as its channel allows, and says what came of it."""
