"""Schedulers of others, in the process: a graph of steps that do nothing, timed from the run's begin to its end.

Run by `flow.py` with the Python that has them: `flow_peer.py luigi|dagster fan|chain|layers FOLDER`; prints milliseconds.
"""

import logging
import sys
import time


def shape(name):
    """By step the steps it needs, in an order in which they can be done."""
    if name == "fan":
        return {f"f{n}": [] for n in range(1000)}
    if name == "chain":
        return {f"c{n}": [f"c{n - 1}"] if n else [] for n in range(100)}
    return {
        f"l{n}": [f"l{(n // 100 - 1) * 100 + (n + k * 10) % 100}" for k in range(10)] if n >= 100 else []
        for n in range(1000)
    }


def luigi(steps, folder):
    import luigi

    logging.disable(logging.CRITICAL)
    done = set()
    needed = {other for below in steps.values() for other in below}
    # It looks through everything below each task that it is given: the ends bring the rest with them.
    ends = [name for name in steps if name not in needed]

    class Step(luigi.Task):
        name = luigi.Parameter()

        def requires(self):
            return [Step(name=below) for below in steps[self.name]]

        def complete(self):
            return self.name in done

        def run(self):
            done.add(self.name)

    def run():
        done.clear()
        began = time.perf_counter()
        luigi.build([Step(name=name) for name in ends], local_scheduler=True, workers=1, log_level="CRITICAL")
        took = time.perf_counter() - began
        assert len(done) == len(steps)
        return took

    return run


def dagster(steps, folder):
    import dagster

    logging.disable(logging.CRITICAL)

    def op(name):
        @dagster.op(name=name, ins={below: dagster.In(dagster.Nothing) for below in steps[name]}, out=dagster.Out(dagster.Nothing))
        def step():
            return None

        return step

    ops = {name: op(name) for name in steps}

    @dagster.graph(name="bench")
    def bench():
        ends = {}
        for name, below in steps.items():
            ends[name] = ops[name](**{other: ends[other] for other in below})

    job = bench.to_job(executor_def=dagster.in_process_executor)
    instance = dagster.DagsterInstance.local_temp(folder)

    def run():
        began = time.perf_counter()
        result = job.execute_in_process(instance=instance)
        took = time.perf_counter() - began
        assert result.success
        return took

    return run


def main():
    tool, name, folder = sys.argv[1:4]
    run = {"luigi": luigi, "dagster": dagster}[tool](shape(name), folder)
    # Dagster takes minutes for one of these.
    rounds = sorted(run() for _ in range(3 if tool == "luigi" else 1))
    print(rounds[len(rounds) // 2] * 1000)


main()
