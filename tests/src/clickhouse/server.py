"""A ClickHouse server out of libchdb, for as long as standard input stays open.

The library's `chdb_query_cmdline` is the program `clickhouse local`, which can open the server's own HTTP interface.
Its first line on standard output is the port. The last statement reads standard input, and so ends when whoever has
started this is gone.

Usage: server.py LIBRARY DATA_FOLDER PORT USERS_FILE
"""

import ctypes
import sys

library, data, port, users = sys.argv[1:]
statements = """
SYSTEM START LISTEN HTTP;
SELECT getServerPort('http_port') INTO OUTFILE '/dev/stdout' TRUNCATE FORMAT TSV;
SELECT count() FROM file('-', 'LineAsString', 'line String') FORMAT Null SETTINGS max_execution_time = 0;
"""
arguments = [
    "clickhouse",
    "--config-file=" + users,
    "--path=" + data,
    "--listen_host=127.0.0.1",
    "--http_port=" + port,
    "--query=" + statements,
]
argv = (ctypes.c_char_p * (len(arguments) + 1))(*(argument.encode() for argument in arguments), None)
ctypes.CDLL(library).chdb_query_cmdline(len(arguments), argv)
