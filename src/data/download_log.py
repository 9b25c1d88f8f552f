"""What yt-dlp says while it works, for a person: reasons, warnings, progress."""

import logging
import re
from pathlib import Path
from typing import Any

from tqdm import tqdm

from understudy.errors import one_line

log = logging.getLogger("understudy.data.download")

EXPECTED = ("Falling back on generic information extractor", "ffprobe not found", ". Retrying (")


class Messages:
    """yt-dlp's log: errors become reasons, warnings are shown once, the rest is there for who asks."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.last = ""
        self.shown: set[str] = set()

    def forget(self) -> None:
        self.errors, self.last = [], ""

    def reason(self) -> str:
        """Why it failed, in one line and our own words where yt-dlp speaks of itself."""
        reason = next(iter(self.errors), self.last or "nothing came")
        reason = re.sub(r"^(ERROR: )?(\[\S+\] (\S+: )?)?", "", reason)
        reason = re.sub(r"[;,.]? *please report this issue on .*", "", reason, flags=re.IGNORECASE)
        reason = re.sub(r" \(caused by .*\)", "", reason)
        return re.sub(r"Use --cookies.*", "Give download.cookies=FILE", reason)

    def debug(self, message: str) -> None:
        self.last = _joined(message)
        log.debug(self.last)

    info = debug

    def warning(self, message: str) -> None:
        line = _joined(message)
        expected = line in self.shown or any(text in line for text in EXPECTED)
        self.shown.add(line)
        log.log(logging.DEBUG if expected else logging.WARNING, line)

    def error(self, message: str) -> None:
        if line := _joined(message):
            self.errors.append(line)
            log.debug(line)


def _joined(message: str) -> str:
    return one_line(" ".join(message.split()))


class Bar:
    """What is being fetched: bytes, speed and time left."""

    def __init__(self) -> None:
        self.bar: Any = None

    def __call__(self, status: dict[str, Any]) -> None:
        """yt-dlp's progress hook."""
        done = status.get("downloaded_bytes") or 0
        if self.bar is None:
            title = Path(status["filename"]).stem[:20]
            self.bar = tqdm(desc=title, initial=done, unit="B", unit_scale=True, leave=False)
        self.bar.total = status.get("total_bytes") or status.get("total_bytes_estimate")
        self.bar.update(done - self.bar.n)
        if status["status"] != "downloading":
            self.close()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
