"""The Python face of brief 4: `BatchManager` over slices of items, `batch()` for all at once."""

from packmule.manager.job import BatchJob, batch
from packmule.manager.managing import BatchManager
from packmule.manager.outcome import RunResult

__all__ = ["BatchJob", "BatchManager", "RunResult", "batch"]
