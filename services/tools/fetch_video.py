"""The tool that shows a video."""

from __future__ import annotations

from services.effects import Json
from services.provider import Lookups, Video
from services.tools.titles import best_match
from services.tools.tool import Tool, ToolResult, text_of, texts

LONGEST_ECHO = 200


def fetch_video(arguments: dict[str, Json], conversation_id: str, lookups: Lookups) -> ToolResult:
    """Find the video whose title is most like the one asked for."""
    title = text_of(arguments, "video_title", "title")
    if title is None:
        return ToolResult(error="fetch_video needs a video_title")
    # A video that was added a moment ago must not be denied, so a miss is looked up once more.
    video = best_match(title, lookups.videos(conversation_id)) or best_match(
        title, lookups.videos(conversation_id, fresh=True)
    )
    if video is None:
        return ToolResult(error=f"No video found matching: {title[:LONGEST_ECHO]}")
    return ToolResult(result=_video(video))


def _video(video: Video) -> dict[str, Json]:
    return {
        "video_id": video.id,
        "video_url": video.storage_url,
        "title": video.title,
        "duration": video.duration_seconds,
    }


FETCH_VIDEO = Tool(
    description="Play a specific video segment based on title or content",
    parameters=texts(video_title="Title or description of the video to play"),
    run=fetch_video,
    say=lambda video: f"The video {video.get('title') or 'you asked for'} is on the screen now.",
)
