"""The hands: everything that touches the world (Kafka, Redis, providers, the clock, the command line)."""
