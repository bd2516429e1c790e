"""One file per provider adapter. An adapter sends one rendered command and classifies the answer; it never retries."""
