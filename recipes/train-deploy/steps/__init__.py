"""The pipeline's steps: thin functions with typed inputs and outputs. `pipeline.py` makes KFP components of them."""
