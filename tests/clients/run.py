#!/usr/bin/env python3
"""Starts a cluster of three nodes and runs the named client scripts against it.

usage: run.py SCRIPT ...   (.py, .mjs and .sh; they find the ports in CHICKADEE_PORTS)
"""

import os
import subprocess
import sys

from cluster import HERE, Cluster, binary

RUNNERS = {".py": [sys.executable], ".mjs": ["node"], ".sh": ["bash"]}

with Cluster() as cluster:
    env = {**os.environ, "CHICKADEE_PORTS": " ".join(str(node.port) for node in cluster.nodes), "CHICKADEE": binary()}
    for script in sys.argv[1:]:
        path = os.path.join(HERE, script)
        command = RUNNERS[os.path.splitext(path)[1]] + [path]
        run = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180
        )
        said = run.stdout.decode(errors="replace").strip()
        if run.returncode:
            cluster.report()  # first, so that the failing check is what a reader of the end sees
            print(f"{said}\nFAILED {script}: exit code {run.returncode}", flush=True)
            sys.exit(1)
        print(said, flush=True)
