"""A bundle's scores for pandas frames, for notebooks.

In: frames with the columns of the tables (`docs/data.md`). Out: a frame with a row for each lead, as `tamiz score` writes it. The
frames go through files and `score_file`: there is one way to read a table and one to score it.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from models.score_file import score_file

if TYPE_CHECKING:
    import pandas as pd

    from models.bundle import Bundle

__all__ = ["score_frames"]


def score_frames(
    bundle: Bundle,
    leads: pd.DataFrame,
    activities: pd.DataFrame | None = None,
    *,
    lead_changes: pd.DataFrame | None = None,
    as_of: datetime | str | None = None,
    id_column: str | None = None,
    reasons: int = 3,
) -> pd.DataFrame:
    """Scores under the bundle's own policy, in the order of `leads`; `as_of` is now unless given. What score_file raises, this raises."""
    import pandas as pd

    moment = pd.Timestamp(as_of if as_of is not None else datetime.now(UTC))
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
    with tempfile.TemporaryDirectory(prefix="tamiz-") as folder:
        files = {
            name: _written(frame, Path(folder) / f"{name}.parquet")
            for name, frame in {"leads": leads, "activities": activities, "lead_changes": lead_changes}.items()
            if frame is not None
        }
        out = Path(folder) / "scored.parquet"
        score_file(
            bundle,
            bundle.policy,
            files["leads"],
            str(out),
            activities=files.get("activities"),
            lead_changes=files.get("lead_changes"),
            as_of=moment.to_pydatetime(),
            id_column=id_column,
            reasons=reasons,
        )
        return pd.read_parquet(out)


def _written(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_parquet(path, index=False)
    return path
