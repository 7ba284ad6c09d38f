"""The training job: the RayJob, and the program that it runs."""
