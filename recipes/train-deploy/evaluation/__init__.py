"""What a model is worth on the golden set, as figures, as a chart, and as requests with their answers."""
