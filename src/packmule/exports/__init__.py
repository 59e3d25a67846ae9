"""Results and summaries as files: JSONL without loss, CSV for spreadsheets, Parquet; each replaced whole."""

from packmule.exports.atomic import replacing
from packmule.exports.records import ResultRecord
from packmule.exports.writing import write_json, write_records, write_results

__all__ = ["ResultRecord", "replacing", "write_json", "write_records", "write_results"]
