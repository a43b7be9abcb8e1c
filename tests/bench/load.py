"""Load on a server of this machine: `wrk` sends prepared requests, as many as are answered.

wrk (Debian's package of that name) is quicker than any server here; a client in Python would measure
itself. What a server used is read from /proc, its children included.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """
local requests, place = {}, 0
for line in io.lines(os.getenv("BENCH_REQUESTS")) do
  requests[#requests + 1] = (line:gsub("|", "\\r\\n"))
end
request = function()
  place = place %% #requests + 1
  return requests[place]
end
done = function(summary, latency)
  io.write(string.format("\\nfigures %%d %%d %%f %%f %%f %%d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
""".replace("%%", "%")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figures:
    """Of one round: requests a second, milliseconds of waiting, of server CPU a request."""

    rate: float
    p50: float
    p99: float
    cpu: float


class NoLoad(RuntimeError):
    """There is nothing to make load with, or the server broke under it."""


def find_wrk() -> str:
    found = shutil.which("wrk")
    if found is None:
        raise NoLoad("The bench of reads needs wrk: apt-get install wrk, then run it again.")
    return found


@dataclass(frozen=True)
class Request:
    """What one client sends. `headers` without those of the protocol."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def wire(self, host: str) -> bytes:
        """The request as it is sent."""
        return self.line(host).replace("|", "\r\n").encode()

    def line(self, host: str) -> str:
        """The request on one line; `|` stands for its line ends."""
        named = [("Host", host), *self.headers]
        if self.method == "POST":
            named += [("Content-Type", "application/json"), ("Content-Length", str(len(self.body)))]
        head = "|".join(f"{name}: {value}" for name, value in named)
        return f"{self.method} {self.path} HTTP/1.1|{head}||{self.body}"


def cpu_seconds(leader: int) -> float:
    """Processor time of the processes in the session that this process leads."""
    used = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[3]) == leader:
            used += int(fields[11]) + int(fields[12])
    return used / _TICKS


def load(
    port: int, leader: int, requests: Sequence[Request], *, seconds: int, connections: int
) -> Figures:
    """One round against 127.0.0.1:`port`. The requests are sent in turn, and again from the first.

    Raises NoLoad where a connection failed: the figures would be of something else.
    """
    host = f"127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        script, lines = Path(folder, "load.lua"), Path(folder, "requests")
        script.write_text(_SCRIPT)
        lines.write_text("".join(f"{each.line(host)}\n" for each in requests))
        before = cpu_seconds(leader)
        ended = subprocess.run(
            [find_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
             "-s", str(script), f"http://{host}/"],
            env={**os.environ, "BENCH_REQUESTS": str(lines)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        used = cpu_seconds(leader) - before
    figures = [line.split()[1:] for line in ended.stdout.splitlines() if line.startswith("figures")]
    if not figures or int(figures[0][5]):
        sys.stderr.write(ended.stdout + ended.stderr)
        raise NoLoad("The server didn't answer all of wrk's requests; its words are above.")
    count, micros, p50, p99, _, _ = map(float, figures[0])
    return Figures(count / (micros / 1e6), p50 / 1000, p99 / 1000, used * 1000 / count)
