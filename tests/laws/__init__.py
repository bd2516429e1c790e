"""The laws of the design, section 5, as properties over generated histories."""
