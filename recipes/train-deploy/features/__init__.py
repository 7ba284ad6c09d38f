"""Features of a repository on a day, and the data sets made of them.

A row for day t tells what was known when t began (00:00 UTC): every window of n days is `[t-n, t)`.
"""
