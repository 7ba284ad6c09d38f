"""The model: what it is, how it is fitted, and what it is compared with."""
