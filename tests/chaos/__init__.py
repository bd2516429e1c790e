"""The long fault tests: `make chaos`, `make mutants`, `make soak`."""
