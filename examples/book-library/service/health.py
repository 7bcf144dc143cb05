"""GET /health: can this process, with what it has loaded, do its work on this database?"""
from service.database import describe
from service.release import loaded_version


def current_revisions(connection):
    """The heads of what is applied, from the table of migrations; empty without that table."""
    if not connection.has_table("deployer_migrations"):
        return []
    rows = connection.query("SELECT revision, down_revision FROM deployer_migrations WHERE state = 'applied'")
    below = {word for row in rows for word in (row["down_revision"] or "").replace(",", " ").split()}
    return sorted(row["revision"] for row in rows if row["revision"] not in below)


def dependency_problems(release):
    for name, required in release.required_versions().items():
        loaded = loaded_version(name)
        if loaded != required:
            yield f"{name} {required} is needed, " + (f"{loaded} is loaded" if loaded else "none is installed")


def schema_problems(release, connection, errors):
    """EXPLAIN resolves every table and column of a statement, and runs nothing."""
    for name, statement in release.statements().items():
        try:
            connection.query("EXPLAIN " + statement, (None,) * statement.count("?"))
        except errors as error:
            yield f"cannot {name}: {describe(error)}"


def shown(revisions):
    return revisions if len(revisions) > 1 else revisions[0] if revisions else None


def report(release, connection, errors):
    """Status and body of the answer; `errors` are the driver's exceptions."""
    revisions = current_revisions(connection)
    problems = [*dependency_problems(release), *schema_problems(release, connection, errors)]
    return (503 if problems else 200), {
        "status": "unhealthy" if problems else "healthy",
        "release": release.name,
        "database": "connected",
        "migrations": {"current_revision": shown(revisions), "is_up_to_date": revisions == [release.revision]},
        "problems": problems,
    }


def report_unreachable(release, reason):
    """The same where the database cannot be asked."""
    return 503, {
        "status": "unhealthy",
        "release": release.name,
        "database": "unreachable",
        "migrations": {"current_revision": None, "is_up_to_date": False},
        "problems": [f"the database cannot be reached: {reason}", *dependency_problems(release)],
    }
