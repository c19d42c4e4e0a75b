"""How does a peer run, what does it use, and how is it loaded?"""

import http.client
import json
import os
import pathlib
import subprocess
import threading
import time
import urllib.parse

TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """Why there is nothing to report."""


class Running:
    """A peer while it runs, with all its processes."""

    def __init__(self, command, url):
        self.address = urllib.parse.urlsplit(url)
        self.began = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ready(self, request):
        """Waits for the first good answer; how long that took since the start, in seconds."""
        deadline = self.began + 20
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failed(f"`{self.process.args[0]}` ended at once, with status {self.process.returncode}")
            status, body = self.ask(request)
            if status == 200:
                if len(body) != request.answer:
                    raise Failed(f"{self.address.netloc} answers {len(body)} bytes, and {request.answer} were expected")
                return time.monotonic() - self.began
            time.sleep(0.002)
        raise Failed(f"{self.address.netloc} gives no good answer; the last status was {status}")

    def refuses(self, request):
        """A gate that lets everybody in must not be compared with one that looks."""
        status, _ = self.ask(request)
        if status != 401:
            raise Failed(f"{self.address.netloc} answers {status} without a token")

    def ask(self, request):
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=5)
        try:
            connection.request("POST", self.address.path, request.body, request.headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return None, b""
        finally:
            connection.close()

    def cpu_seconds(self):
        """User and system time of all processes so far."""
        user = system = 0
        for pid in self.family():
            # The name, in parentheses, may hold spaces: count from behind it. Fields 14 and 15 of proc(5).
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            user, system = user + int(fields[11]), system + int(fields[12])
        return user / TICKS, system / TICKS

    def megabytes(self):
        """Resident memory, where pages that processes share count once."""
        kilobytes = 0
        for pid in self.family():
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    kilobytes += int(line.split()[1])
        return kilobytes / 1024

    def family(self):
        """The process and its descendants."""
        found, queue = [], [self.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                queue += map(int, (task / "children").read_text().split())
        return found


class Load:
    """wrk, with one request again and again."""

    def __init__(self, script, url, connections):
        self.command = ["wrk", "--threads", "2", "--connections", str(connections), "--script", str(script), url]

    def run(self, seconds, watched=None):
        """What the clients saw; and, half-way, how much memory `watched` holds."""
        megabytes = []
        if watched:
            watch = threading.Timer(seconds / 2, lambda: megabytes.append(watched.megabytes()))
            watch.start()
        done = subprocess.run([*self.command, "--duration", f"{seconds}s"], capture_output=True, text=True, check=False)
        if watched:
            watch.join()
        said = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode != 0 or not said:
            raise Failed(f"wrk failed: {done.stderr or done.stdout}")
        seen = json.loads(said[-1])
        if seen["requests"] == 0:
            raise Failed("wrk saw no answer")
        return {**seen, "megabytes": sum(megabytes)}
