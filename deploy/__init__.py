"""Where it runs: containers, brokers, benches. Nothing in ``schemas``, ``streams`` or ``agents`` imports this."""
