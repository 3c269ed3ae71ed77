"""As much of psycopg2 as the guide's listing uses, on psycopg: for programs that tests run."""

import psycopg


def connect(*, host: str, database: str, user: str, password: str) -> psycopg.Connection:
    connection = psycopg.connect(host=host, dbname=database, user=user, password=password)
    print(connection.execute("SELECT current_user").fetchone()[0])
    return connection
