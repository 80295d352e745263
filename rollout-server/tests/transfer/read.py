"""Prints what a Parquet file holds: the types of its columns, how they are compressed, and its rows."""

import json
import sys

import pyarrow.parquet as parquet

file = parquet.ParquetFile(sys.argv[1])
table = file.read()
group = file.metadata.row_group(0) if file.metadata.num_row_groups else None
print(
    json.dumps(
        {
            "columns": {field.name: f"{field.type}{'' if field.nullable else ' not null'}" for field in table.schema},
            "compression": sorted({group.column(at).compression for at in range(group.num_columns)}) if group else [],
            "created_by": file.metadata.created_by.split(" ")[0],
            "rows": table.to_pylist(),
        },
        default=lambda value: value.isoformat(),
    )
)
