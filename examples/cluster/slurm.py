"""A Dask cluster on SLURM, for as long as this runs: `pip install dask-jobqueue`, then `python slurm.py`.

The scheduler is in this process; each job is a node with a worker a core. Set the DASK_SCHEDULER_ADDRESS that
it prints where you run `dvc repro`.
"""

from __future__ import annotations

import signal

from dask_jobqueue import SLURMCluster

PROJECT = "/shared/trialforge"  # a checkout with its .venv, which all nodes see

if __name__ == "__main__":
    with SLURMCluster(
        queue="batch",
        cores=16,
        processes=16,  # for the stages of a language model 1: its engine uses all cores by itself
        memory="64GB",
        walltime="08:00:00",
        python=f"{PROJECT}/.venv/bin/python",
        local_directory="/tmp",  # noqa: S108 - the node's own disk
        job_script_prologue=["export HF_HUB_OFFLINE=1 POLARS_MAX_THREADS=1 OMP_NUM_THREADS=1"],
    ) as cluster:
        cluster.scale(jobs=8)
        print(f"export DASK_SCHEDULER_ADDRESS={cluster.scheduler_address}", flush=True)
        signal.pause()
