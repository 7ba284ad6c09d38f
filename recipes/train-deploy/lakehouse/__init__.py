"""The lakehouse's table of commits: what is read into it, and how it is kept."""
