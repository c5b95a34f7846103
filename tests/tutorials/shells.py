"""The two shells that a tutorial is typed into: one on the laptop, and one that a command there opened inside a
machine. Each block runs in the shell as it is, so that variables stay; the first command that fails ends it."""

import os
import pathlib
import secrets
import subprocess
import threading
import time


class Ended(Exception):
    """The shell is gone: a command failed, or took too long."""


class Shell:
    """Shell types scripts into `source` and reads what is printed from `sink`, up to a line that it has printed."""

    def __init__(self, source, sink, errors, end):
        self.source, self.sink, self.errors, self.end = source, sink, errors, end
        # The end of a script inside a script: a word that nothing contains.
        self.word = f"END-{secrets.token_hex(8)}"
        self._write("set -eu\n")

    def _write(self, text):
        try:
            self.source.write(text.encode())
            self.source.flush()
        except BrokenPipeError:
            raise Ended(self._last_words()) from None

    def _last_words(self):
        return self.errors.read_text(errors="replace")[-3000:]

    def run(self, script, seconds=120):
        """run returns what the script prints on stdout. Commands in it have nothing to read."""
        # The script is read as a whole before its first command runs.
        self._write(f"eval \"$(cat <<'{self.word}'\n{script}\n{self.word}\n)\" </dev/null\n"
                    f"printf '\\n%s %s\\n' {self.word} $?\n")
        timer = threading.Timer(seconds, self.end)
        timer.start()
        try:
            return self._read()
        finally:
            timer.cancel()

    def _read(self):
        output = b""
        while True:
            line = self.sink.readline()
            if not line:
                raise Ended(output.decode(errors="replace")[-3000:] + self._last_words())
            if line.startswith(self.word.encode()):
                status = int(line.split()[1])
                if status:
                    raise Ended(f"exit status {status}\n" + output.decode(errors="replace") + self._last_words())
                return output.decode().removesuffix("\n")
            output += line

    def close(self):
        for end in (self.source, self.sink):
            try:
                end.close()
            except BrokenPipeError:
                pass


class Laptop(Shell):
    def __init__(self, work, environment):
        self.work = pathlib.Path(work)
        errors = self.work.parent / "laptop.stderr"
        with errors.open("wb") as into:
            self.process = subprocess.Popen(["sh"], cwd=work, env=environment, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=into)
        super().__init__(self.process.stdin, self.process.stdout, errors, self.process.kill)

    def open(self, script, seconds=60):
        """open runs a script that becomes a shell in a machine, and returns that shell."""
        folder = self.work.parent / f"machine-{time.monotonic_ns()}"
        folder.mkdir()
        into, out, errors = folder / "in", folder / "out", folder / "stderr"
        os.mkfifo(into)
        os.mkfifo(out)
        self._write(f"({script}) <'{into}' >'{out}' 2>'{errors}' &\n")
        shell = Shell(into.open("wb"), out.open("rb"), errors, self.process.kill)
        shell.run("true", seconds)
        return shell

    def close(self):
        super().close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
