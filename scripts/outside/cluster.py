# SPDX-License-Identifier: Apache-2.0
"""A cluster of real processes, started by `lockstep dev`, as tests in Python use it."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager


class Cluster:
    """What an operator has: the command, the environment, psql, redis-cli, and the sandbox's control."""

    def __init__(self, programs, directory, environment, private_url):
        self.programs = programs
        self.directory = directory
        self.environment = environment
        self.private_url = private_url
        self.public_url = environment["LOCKSTEP_PUBLIC_URL"]
        self.token = environment["LOCKSTEP_ADMIN_TOKEN"]
        sandbox = re.search(r"slack=(http://[^/]+)/slack", environment["LOCKSTEP_SERVICE_URLS"])
        self.sandbox = sandbox.group(1)

    def lockstep(self, *arguments, text=""):
        """Runs the command with `text` as its input; its output."""
        result = subprocess.run(
            [f"{self.programs}/lockstep", *arguments], input=text, text=True, capture_output=True, timeout=60,
            env={**os.environ, **self.environment})
        assert result.returncode == 0, f"lockstep {' '.join(arguments)}: {result.stderr}"
        return result.stdout.strip()

    def query(self, sql):
        """The rows of a query, columns separated by `|`."""
        result = subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql, self.environment["DATABASE_URL"]],
            text=True, capture_output=True, timeout=60)
        assert result.returncode == 0, result.stderr
        return result.stdout.rstrip("\n")

    def redis(self, *arguments):
        """What redis-cli says."""
        path = urllib.parse.urlparse(self.environment["REDIS_URL"]).path
        result = subprocess.run(
            ["redis-cli", "-s", path, *arguments], text=True, capture_output=True, timeout=60)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def push(self, payload):
        """Pushes a payload as an operator does by hand."""
        self.redis("LPUSH", "lockstep:queue:default", payload if isinstance(payload, str) else json.dumps(payload))

    def control(self, path, method="POST"):
        """Asks the sandbox's control."""
        request = urllib.request.Request(f"{self.sandbox}/_control/{path}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()

    def until(self, what, condition, within=60):
        """Waits until `condition` returns something; fails with `what`."""
        return until(what, condition, within)

    def until_rows(self, relation, count, within=60):
        """Waits until a relation, with what stands after it, has so many rows."""
        until(
            f"{relation}: {count} rows",
            lambda: self.query(f"SELECT count(*) FROM lockstep.{relation}") == str(count), within)


def until(what, condition, within=60):
    """Waits until `condition` returns something, and returns that; fails with `what`."""
    deadline = time.monotonic() + within
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {within} s: {what}"
        time.sleep(0.05)


@contextmanager
def running(programs, directory, users, objects, workers=1, **settings):
    """Starts a cluster in a directory, and stops it afterwards. `settings` are further variables of its processes."""
    os.makedirs(directory, exist_ok=True)
    log = os.path.join(directory, "dev.log")
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [f"{programs}/lockstep", "dev", "--directory", directory, "--workers", str(workers),
             "--users", str(users), "--objects", str(objects)],
            stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **settings})
    sockets = None
    try:
        def text():
            assert process.poll() is None, f"the cluster ended: {read(log)}"
            found = read(log)
            return found if "Ctrl-C stops" in found else None

        said = until("the cluster runs", text)
        environment = dict(re.findall(r"^export (\w+)='(.*)'$", said, re.MULTILINE))
        sockets = os.path.dirname(urllib.parse.urlparse(environment["REDIS_URL"]).path)
        private_url = re.search(r"private side is at (http://\S+?)\. ", said).group(1)
        yield Cluster(programs, directory, environment, private_url)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        # Sockets, and root's Postgres data, are outside of the directory.
        if sockets:
            shutil.rmtree(sockets)


def read(path):
    """A file's text."""
    with open(path, encoding="utf-8") as file:
        return file.read()
