"""The pictures of a stretch as a small MP4 that any browser plays, made when it is first looked at."""

import hashlib
from pathlib import Path

import cv2

from understudy.data.manifest import Clip
from understudy.data.media import Seconds, VideoWriter, probe, read_frames
from understudy.data.scrape import source_path
from understudy.errors import UserError

HEIGHT = 320  # pixels
LONGEST: Seconds = 60.0
KEPT = 400  # files; the oldest go first


class Pictures:
    """Cuts pictures out of recordings into `folder`. Without sound: the page plays that beside it."""

    def __init__(self, workspace: Path, folder: Path) -> None:
        self.workspace = workspace
        self.folder = folder
        self._shown: dict[str, bool] = {}

    def has(self, clip: Clip) -> bool:
        """Is there anything to see? False too where the recording is gone or cannot be read."""
        if clip.source not in self._shown:
            try:
                self._shown[clip.source] = probe(source_path(self.workspace, clip.source)).has_video
            except (UserError, OSError):
                self._shown[clip.source] = False
        return self._shown[clip.source]

    def place(self, clip: Clip, start: Seconds, end: Seconds) -> Path:
        """Where the MP4 of what shows between two times is, once it is made."""
        source = source_path(self.workspace, clip.source)
        decides = f"{source}|{source.stat().st_mtime_ns}|{start:.3f}|{end:.3f}|{HEIGHT}"
        return self.folder / f"{hashlib.sha256(decides.encode()).hexdigest()[:20]}.mp4"

    def make(self, clip: Clip, start: Seconds, end: Seconds) -> None:
        """Make it; of a long stretch only the beginning."""
        path, source = self.place(clip, start, end), source_path(self.workspace, clip.source)
        frames = read_frames(source, start=start, end=min(end, start + LONGEST))
        first = next(frames, None)
        if first is None:
            raise UserError(f"{source}: no pictures between {start:.2f} and {end:.2f} s")
        scale = min(HEIGHT / first.shape[0], 1.0)
        height, width = (max(2 * round(n * scale / 2), 2) for n in first.shape[:2])
        with VideoWriter(path, width=width, height=height, crf=26) as video:
            video.write(cv2.resize(first, (width, height), interpolation=cv2.INTER_AREA))
            for frame in frames:
                video.write(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))
        self._forget()

    def _forget(self) -> None:
        files = sorted(self.folder.glob("*.mp4"), key=lambda path: path.stat().st_mtime)
        for path in files[:-KEPT]:
            path.unlink(missing_ok=True)
