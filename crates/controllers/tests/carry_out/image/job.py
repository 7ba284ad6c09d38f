"""A Ray job: says what it was given, uses Ray, and ends as it is told."""

import os
import sys
import time

import ray

print("cwd has job.py:", os.path.exists("job.py"), flush=True)
with open(os.environ["WITNESS"], "a") as witness:
    print(os.environ["TEAM"], *sys.argv[1:], file=witness)
if sys.argv[1] == "sleep":
    time.sleep(300)
ray.init()
assert ray.get(ray.remote(lambda: 42).remote()) == 42
sys.exit(int(sys.argv[1]))
