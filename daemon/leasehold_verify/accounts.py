"""Accounts at a PostgreSQL that stand past their own end, whatever any record says.

leasehold gives each of its roles a `VALID UNTIL` a minute behind the lease's end. It ends no
session, and the role stays until somebody drops it.
"""

from pathlib import Path

from leasehold_verify.finding import Finding

CHECK = "accounts"
_OVER = """
SELECT count(*), coalesce(max(extract(epoch FROM now() - rolvaliduntil)), 0)::bigint FROM pg_roles
WHERE rolname ~ 'lh[a-z2-7]{4}_[a-z2-7]{16}_[a-z2-7]{4}' AND rolcanlogin
AND isfinite(rolvaliduntil) AND rolvaliduntil < now() - make_interval(secs => %s)
"""


def check_accounts(conninfo_file: Path, overdue_s: float) -> Finding:
    """Look with the connection that the file says (`host=… dbname=… user=…`), which reads only."""
    try:
        import psycopg
    except ImportError:
        return Finding(CHECK, False, "needs a driver: pip install 'leasehold[postgresql]'")
    try:
        conninfo = conninfo_file.read_text().strip()
        with psycopg.connect(conninfo, connect_timeout=10) as connection:
            found = connection.execute(_OVER, (overdue_s,)).fetchone()
    except OSError as error:
        return Finding(CHECK, False, f"{conninfo_file}: cannot be read ({error.strerror})")
    except psycopg.Error as error:
        return Finding(CHECK, False, f"PostgreSQL cannot be asked ({type(error).__name__})")
    count, oldest_s = found or (0, 0)
    if count:
        text = f"{count} can log in past their own end, the oldest for {oldest_s} s"
        return Finding(CHECK, False, text)
    return Finding(CHECK, True, f"none stands more than {overdue_s:g} s past its own end")
