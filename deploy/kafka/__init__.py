"""Apache Kafka on one machine without Docker."""
