"""`python -m agents`, and `.venv/bin/leadkeeper`: the command line."""

from agents.cli.main import run

if __name__ == "__main__":
    run()
