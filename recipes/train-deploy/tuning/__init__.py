"""The search for hyperparameters: the Experiment, and the program that each of its trials runs."""
